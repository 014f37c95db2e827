import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { EndpointOptions } from '../../../src/entry/options.ts'
import type { ServiceConfig } from '../../../src/service/index.ts'
import { type CertificateAuthority, createCertificateAuthority } from '../../../src/testing/certificates.ts'
import { startAddressedNginx } from '../../support/addressed-nginx.ts'
import { type ConnectorProcess, startConfiguredConnector } from '../../support/connector-process.ts'
import { type DnsServer, fromZone, startDnsServer } from '../../support/dns-server.ts'
import { a } from '../../support/dns-wire.ts'
import type { Nginx } from '../../support/nginx.ts'
import { readPool } from '../../support/start-connector.ts'

let authority: CertificateAuthority
let nginx: Nginx
let dns: DnsServer

beforeAll(async () => {
  authority = await createCertificateAuthority()
  nginx = await startAddressedNginx(['127.0.0.2', '127.0.0.3', '127.0.0.4'], authority)
  dns = await startDnsServer(fromZone([a('shop.internal', '127.0.0.2'), a('shop.internal', '127.0.0.3')]))
})

afterAll(() => Promise.all([nginx.stop(), dns[Symbol.asyncDispose]()]))

type Config = Partial<ServiceConfig> & Pick<ServiceConfig, 'origins'>

function configWith(endpoints: (string | EndpointOptions)[]): Config {
  const ca = join(nginx.directory, 'ca.pem')
  writeFileSync(ca, authority.cert)
  return {
    dnsServers: [dns.address],
    origins: {
      shop: {
        url: 'https://localhost',
        hosts: ['*'],
        tls: { ca },
        protocols: ['h2'],
        endpoints,
        balance: { policy: 'round-robin' },
      },
    },
  }
}

async function spread(connector: ConnectorProcess, requests: number): Promise<Record<string, number>> {
  const counts: Record<string, number> = {}
  for (let i = 0; i < requests; i += 1) {
    const [address = ''] = (await (await fetch(`${connector.url}/`)).text()).split(' ')
    counts[address] = (counts[address] ?? 0) + 1
  }
  return counts
}

async function text(connector: ConnectorProcess, path: string): Promise<string> {
  return await (await fetch(connector.adminUrl + path)).text()
}

describe.each(['off', 2] as const)('the endpoints of an origin of a service with workers: %s', workers => {
  it('are the addresses of a name, and others after a reload that keeps the connections to those that stay', async () => {
    const name = `shop.internal:${nginx.tlsPort}`
    const common = { workers, listen: [{ address: '127.0.0.1:0' }], admin: { address: '127.0.0.1:0' } }
    await using connector = await startConfiguredConnector({ ...common, ...configWith([name]) })
    const before = await spread(connector, 20)
    expect(Object.keys(before).toSorted()).toEqual(['127.0.0.2', '127.0.0.3'])
    if (workers === 'off') expect(before).toEqual({ '127.0.0.2': 10, '127.0.0.3': 10 })

    const fourth = { address: `127.0.0.4:${nginx.tlsPort}`, weight: 2 }
    const opened = async (): Promise<number> => {
      const lines = (await text(connector, '/metrics')).match(
        /^middlemile_connections_opened_total\{.*\} \d+$/gm,
      )
      return (lines ?? []).reduce((sum, line) => sum + Number(line.split(' ').at(-1)), 0)
    }
    const connections = await opened()
    writeFileSync(connector.file, JSON.stringify({ ...common, ...configWith([name, fourth]) }))
    connector.cli.signal('SIGHUP')
    await connector.cli.untilStdout(/configuration reloaded/)
    const after = await spread(connector, 40)
    expect(Object.keys(after).toSorted()).toEqual(['127.0.0.2', '127.0.0.3', '127.0.0.4'])
    if (workers !== 'off') return // each has its turns

    expect(after).toEqual({ '127.0.0.2': 10, '127.0.0.3': 10, '127.0.0.4': 20 })
    expect(await opened()).toBe(connections + 1)
    const pool = await readPool(connector.adminUrl, 'shop')
    expect(pool.endpoints).toMatchObject([
      { address: expect.stringContaining('127.0.0.'), name, weight: 1 },
      { address: expect.stringContaining('127.0.0.'), name, weight: 1 },
      { address: fourth.address, weight: 2, requests: 20 },
    ])
    expect(pool.endpointNames).toMatchObject([{ name, addresses: 2, ignored: 0 }])
    expect(await text(connector, '/metrics')).toContain(
      `middlemile_endpoint_name_addresses{origin="shop",name="${name}"} 2`,
    )
    expect(await text(connector, '/origins/shop/explain')).toContain(`endpoint name ${name} has 2 addresses`)
    await connector.cli.untilStdout(/127\.0\.0\.4:\d+ added: the configuration was changed/)
  })
})
