import { connect, type Socket } from 'node:net'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createCertificateAuthority, type IssuedCertificate } from '../../../src/testing/certificates.ts'
import { startQuickOrigin, type TestOrigin } from '../../../src/testing/origins.ts'
import { runGtlsclient } from '../../support/gtlsclient.ts'
import { parsePrometheusText } from '../../support/prometheus-text.ts'
import { requireBinary } from '../../support/require-binary.ts'
import { requireQuic } from '../../support/require-quic.ts'
import { startConnector, type TestConnector } from '../../support/start-connector.ts'

const missing = requireBinary('gtlsclient') ?? requireQuic()
let origin: TestOrigin
let identity: IssuedCertificate
beforeAll(async () => {
  origin = await startQuickOrigin({})
  identity = await (await createCertificateAuthority()).issue({ names: ['localhost', '127.0.0.1'] })
})
afterAll(() => origin.close())

const REQUEST = 'GET / HTTP/1.1\r\nHost: a\r\n\r\n'

/** A connection that asks once; resolves with the status, or `closed`. */
function asking(
  connector: TestConnector,
  localAddress = '127.0.0.1',
): Promise<{ socket: Socket; saw: string }> {
  return new Promise(resolve => {
    const socket = connect({ port: connector.port, host: '127.0.0.1', localAddress })
    socket.on('error', () => {})
    socket.write(REQUEST)
    socket.once('data', data => resolve({ socket, saw: data.toString('latin1').slice(9, 12) }))
    socket.once('close', () => resolve({ socket, saw: 'closed' }))
  })
}

async function defences(connector: TestConnector, limit: string): Promise<number> {
  const page = parsePrometheusText(await (await fetch(`${connector.adminUrl}/metrics`)).text())
  return page.sum('middlemile_ingress_defences_total', { limit })
}

describe('limits of a client address', () => {
  it('close one connection more than it may have, and leave other clients alone', async () => {
    await using connector = await startConnector({
      ingress: { maxConnectionsPerClient: 3 },
      origins: { quick: { url: origin.url } },
    })
    const taken = await Promise.all(Array.from({ length: 3 }, () => asking(connector)))
    expect(taken.map(({ saw }) => saw)).toEqual(['200', '200', '200'])
    expect((await asking(connector)).saw).toBe('closed')
    const other = await asking(connector, '127.0.0.2')
    expect(other.saw).toBe('200')
    taken[0]?.socket.destroy()
    await expect.poll(async () => (await asking(connector)).saw).toBe('200')
    expect(await defences(connector, 'maxConnectionsPerClient')).toBeGreaterThan(0)
    for (const { socket } of [...taken, other]) socket.destroy()
  })

  it('close connections that come too often before anything is read of them', async () => {
    await using connector = await startConnector({
      ingress: { connectionRatePerClient: 1 },
      origins: { quick: { url: origin.url } },
    })
    const seen: string[] = []
    for (let count = 0; count < 15; count += 1) {
      const { socket, saw } = await asking(connector)
      seen.push(saw)
      socket.destroy()
    }
    expect(seen.slice(0, 10).every(saw => saw === '200')).toBe(true)
    expect(seen.filter(saw => saw === 'closed').length).toBeGreaterThan(2)
    expect(await defences(connector, 'connectionRatePerClient')).toBe(
      seen.filter(saw => saw === 'closed').length,
    )
  })

  it('answer requests that come too often with 429, and when to come again', async () => {
    await using connector = await startConnector({
      ingress: { requestRatePerClient: 1 },
      origins: { quick: { url: origin.url } },
    })
    const before = origin.requestsSeen()
    const answers: Response[] = []
    for (let count = 0; count < 15; count += 1) answers.push(await fetch(connector.url))
    const refused = answers.filter(({ status }) => status === 429)
    expect(refused.length).toBeGreaterThan(2)
    expect(origin.requestsSeen() - before).toBe(15 - refused.length)
    const [first] = refused
    expect(first?.headers.get('retry-after')).toBe('1')
    expect(await first?.json()).toMatchObject({ error: { code: 'MM_CLIENT_RATE' } })
  })

  it.skipIf(missing !== undefined)(
    `hold over HTTP/3${missing === undefined ? '' : `: ${missing}`}`,
    async () => {
      await using connector = await startConnector({
        ingress: { requestRatePerClient: 1, connectionRatePerClient: 1 },
        listen: [
          {
            address: '127.0.0.1:0',
            tls: { cert: identity.cert, key: identity.key },
            protocols: ['h3', 'h2'],
          },
        ],
        origins: { quick: { url: origin.url } },
      })
      const got = await runGtlsclient(connector.port, ['/a'], { requests: 15 })
      const statuses = [...got.responses.values()].map(one => one.statuses.at(-1))
      expect(statuses.filter(status => status === 200).length).toBeGreaterThanOrEqual(10)
      expect(statuses.filter(status => status === 429).length).toBeGreaterThan(2)
      // Ten at once, one is taken; each that is refused waits for its own timeout.
      const runs = Array.from({ length: 15 }, () =>
        runGtlsclient(connector.port, ['/a'], { args: ['--handshake-timeout=1s', '--timeout=1s'] }),
      )
      const connected = (await Promise.all(runs)).filter(({ responses }) => responses.size > 0)
      expect(connected.length).toBeLessThan(15)
      expect(await defences(connector, 'connectionRatePerClient')).toBeGreaterThan(0)
    },
  )
})
