import { once } from 'node:events'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { describe, expect, it } from 'vitest'
import { descriptorOf } from '../../../src/base/socket/stream-socket.ts'
import { socketCalls } from '../../../src/connect/native/socket-calls.ts'
import { createTransport, type TransportOptions } from '../../../src/index.ts'
import { type CertificateAuthority, createCertificateAuthority } from '../../../src/testing/certificates.ts'
import { enterFastOpenNamespace, requireFastOpenNamespace } from '../../support/fast-open-namespace.ts'
import { SelectionLog } from '../../support/selection-log.ts'
import { until } from '../../support/until.ts'

/** `tfo: 'auto'`: a look beside the first connect finds out whether the origin takes data with a SYN. */

/**
 * HTTP/1.1 over TLS, with Fast Open unless `queue` is 0; ends each connection after its answer, so that each
 * request needs one.
 */
async function startOrigin(authority: CertificateAuthority, queue: number) {
  const certificate = await authority.issue({ names: ['origin.test'] })
  const server = createServer(certificate, (_request, response) => {
    response.setHeader('connection', 'close')
    response.end('here')
  })
  let connections = 0
  server.on('connection', () => connections++)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const loaded = socketCalls()
  if ('unavailable' in loaded) throw new Error(loaded.unavailable)
  if (queue > 0) expect(loaded.calls.set(descriptorOf(server)!, 'fastOpenQueue', queue)).toBe(0)
  const { port } = server.address() as AddressInfo // as: it listens on a port
  const options: TransportOptions = {
    defaults: { tfo: 'auto', protocols: ['http/1.1'], tls: { ca: authority.cert } },
    resolve: { [`origin.test:${port}`]: '127.0.0.1' },
  }
  return {
    port,
    url: `https://origin.test:${port}/`,
    options,
    connections: () => connections,
    async [Symbol.asyncDispose]() {
      await new Promise(resolve => server.close(resolve))
    },
  }
}

const missing = requireFastOpenNamespace()

describe.skipIf(missing !== undefined)(`tfo: 'auto' ${missing ?? ''}`, () => {
  it('probes beside the first request, once, and reports it, and the next connects use it', async () => {
    using namespace = enterFastOpenNamespace(3)
    const authority = await createCertificateAuthority()
    await using origin = await startOrigin(authority, 16)
    const log = new SelectionLog()
    await using transport = createTransport({ ...origin.options, observer: log.observer })
    const get = async () => expect(await (await transport.request(origin.url)).text()).toBe('here')
    await get()
    await until(() => log.of('evidence').length === 1, 'the look is over')
    expect(log.of('evidence')).toMatchObject([
      { source: 'probe', fact: `TCP Fast Open at 127.0.0.1:${origin.port}` },
    ])
    expect(origin.connections()).toBe(3)
    expect(namespace.counters().TCPFastOpenPassive).toBe(1)
    for (let i = 0; i < 3; i++) await get()
    expect([origin.connections(), log.of('evidence').length]).toEqual([6, 1])
    expect(namespace.counters().TCPFastOpenPassive).toBe(4)
    const { known } = await transport.explain(origin.url)
    expect(known).toContainEqual({
      fact: 'takes data with the SYN (TCP Fast Open)',
      evidence: expect.stringMatching(/^probe, /),
    })
  })

  it('finds nothing where there is nothing, and does not look again at each connect', async () => {
    using _namespace = enterFastOpenNamespace(3)
    const authority = await createCertificateAuthority()
    await using origin = await startOrigin(authority, 0)
    const log = new SelectionLog()
    await using transport = createTransport({ ...origin.options, observer: log.observer })
    const get = async () => expect(await (await transport.request(origin.url)).text()).toBe('here')
    await get()
    const facts = async () => (await transport.explain(origin.url)).known.map(({ fact }) => fact)
    await expect.poll(facts).toContain('gives no cookie for TCP Fast Open')
    for (let i = 0; i < 3; i++) await get()
    expect([origin.connections(), log.of('evidence').length]).toEqual([6, 0])
  })

  it('is part of what a probe reports', async () => {
    using _namespace = enterFastOpenNamespace(3)
    const authority = await createCertificateAuthority()
    await using origin = await startOrigin(authority, 16)
    const { options } = origin
    await using transport = createTransport({ ...options, defaults: { ...options.defaults, tfo: 'off' } })
    const report = await transport.probe(origin.url)
    expect(report.fastOpen).toEqual({
      found: {
        cookie: true,
        taken: true,
        firstFlightBytes: expect.any(Number),
        because: expect.stringMatching(/^the SYN carried \d+ bytes$/),
      },
    })
  })
})
