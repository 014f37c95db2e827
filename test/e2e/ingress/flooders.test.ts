import net from 'node:net'
import { networkInterfaces } from 'node:os'
import tls from 'node:tls'
import { describe, expect, it } from 'vitest'
import type { IngressEvent } from '../../../src/ingress/ingress-event.ts'
import { listen } from '../../../src/ingress/listener.ts'
import { createCertificateAuthority } from '../../../src/testing/certificates.ts'
import { PREFACE, settings } from '../../support/http2-wire.ts'

/** Clients on loopback are not counted, so that this one comes by the address of an interface. */
const host = Object.values(networkInterfaces())
  .flat()
  .find(address => address?.internal === false && address.family === 'IPv4')?.address

const noAddress = host === undefined
const ALLOWED = 2

describe.skipIf(noAddress)('a client that floods each of its connections', () => {
  it.each([['cleartext'], ['TLS']])('is refused new ones for a time, over %s', async how => {
    const authority = await createCertificateAuthority()
    const { cert, key } = await authority.issue({ names: ['localhost'] })
    const events: IngressEvent[] = []
    const listener = await listen({
      address: { host: '0.0.0.0', port: 0 },
      handler: () => {},
      limits: { maxFloodsPerMinute: ALLOWED, http2: { maxSettingsPerSecond: 1 } },
      observer: event => events.push(event),
      ...(how === 'TLS' && { tls: { cert, key } }),
    })
    const connect = (to: string): net.Socket => {
      const { port } = listener
      const socket =
        how === 'TLS'
          ? tls.connect({
              host: to,
              port,
              ca: authority.cert,
              servername: 'localhost',
              ALPNProtocols: ['h2'],
            })
          : net.connect({ host: to, port })
      return socket.on('error', () => {})
    }
    /** Whether anything came before the connection ended. */
    const flood = async (to: string): Promise<boolean> => {
      const socket = connect(to)
      const many = Array.from({ length: 20 }, () => settings())
      let received = 0
      socket.on('data', (chunk: Buffer) => (received += chunk.length))
      // What is written before the handshake waits for it.
      socket.write(Buffer.concat([PREFACE, ...many]))
      socket.once('end', () => socket.end())
      await new Promise(resolve => socket.once('close', resolve))
      return received > 0
    }
    try {
      for (let i = 0; i <= ALLOWED; i++) expect(await flood(host ?? '')).toBe(true)
      expect(listener.stats.defences).toEqual({ maxSettingsPerSecond: ALLOWED + 1 })
      for (let i = 0; i < 3; i++) expect(await flood(host ?? '')).toBe(false)
      expect(listener.stats.defences).toEqual({ maxSettingsPerSecond: ALLOWED + 1, maxFloodsPerMinute: 3 })
      expect(listener.stats.connections).toMatchObject({ refused: 3, failedHandshakes: 0 })
      expect(events.map(({ type }) => type).filter(type => type !== 'request-refused')).toEqual([
        'flooder-refused',
      ])
      // Others are served.
      expect(await flood('127.0.0.1')).toBe(true)
    } finally {
      await listener.close()
    }
  })
})
