import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import { createTransport, type OriginOptions } from '../../../src/index.ts'
import { startCaddy } from '../../support/caddy.ts'
import { startNginx } from '../../support/nginx.ts'
import { MACHINE_IS_SHARED, overheadOf, timeOf } from '../../support/overhead.ts'
import { startRelayedCaddy } from '../../support/relayed-caddy.ts'
import { requireBinary } from '../../support/require-binary.ts'
import { requireQuic } from '../../support/require-quic.ts'
import { SelectionLog } from '../../support/selection-log.ts'
import { startUdpSink } from '../../support/udp-sink.ts'

const missing = requireBinary('caddy', 'nginx') ?? requireQuic()

describe.skipIf(missing !== undefined)(
  `origins as they come${missing === undefined ? '' : ` (${missing})`}`,
  MACHINE_IS_SHARED,
  () => {
    it('caddy advertises HTTP/3: it is tried beside the first requests, and measured', async () => {
      await using caddy = await startCaddy({ http2: true, http3: true })
      await overheadOf({
        url: `${caddy.url}/hello`,
        options: { defaults: { tls: { ca: caddy.certificates.ca } } },
        later: 48,
        after: (_, log) => {
          expect(log.lanes[0]).toBe('tcp')
          expect(log.statuses).toEqual(['pending', 'confirmed'])
          expect(log.of('evidence').map(({ source }) => source)).toContain('alt-svc')
          expect(log.http3Dials).toEqual([`127.0.0.1:${caddy.tlsPort} connected`])
          expect(new Set(log.lanes)).toEqual(new Set(['tcp', 'h3']))
          expect(log.of('exchange-ended').filter(({ retries }) => retries > 0)).toEqual([])
        },
      })
    })

    it.each(['h2', 'http/1.1'])(
      'nginx with %s and no HTTP/3 is asked once over UDP, and never again',
      async protocol => {
        await using nginx = await startNginx({ http2: protocol === 'h2' })
        await using sink = await startUdpSink(nginx.tlsPort)
        const defaults: OriginOptions = {
          tls: { ca: nginx.certificates.ca },
          select: { probeTimeoutMs: 100 },
        }
        await overheadOf({
          url: `${nginx.url}/1k`,
          options: { defaults },
          after: (_, log) => {
            expect(new Set(log.of('exchange-ended').map(each => each.protocol))).toEqual(new Set([protocol]))
            expect(log.of('http3-status')).toEqual([])
          },
        })

        const log = new SelectionLog()
        await using transport = createTransport({
          defaults: { ...defaults, pool: { idleTimeoutMs: 1 } },
          observer: log.observer,
        })
        await timeOf(transport, `${nginx.url}/1k`)
        await expect.poll(() => sink.received, { timeout: 5_000 }).toBeGreaterThan(0)
        await sleep(300)
        const asked = sink.received
        for (let burst = 0; burst < 10; burst++) {
          await Promise.all(Array.from({ length: 8 }, () => timeOf(transport, `${nginx.url}/1k`)))
          await expect.poll(() => transport.stats().totalConnections).toBe(0)
        }
        await sleep(150)
        expect(sink.received).toBe(asked)
        expect(log.of('connection-opened').length).toBeGreaterThan(10)
        expect(log.of('race-ended')).toEqual([])
        if (protocol === 'http/1.1') expect(new Set(log.lanes)).toEqual(new Set(['tcp']))
        const { known } = await transport.explain(nginx.url)
        expect(known.map(({ fact }) => fact)).toContain(`127.0.0.1:${nginx.tlsPort} does not answer to QUIC`)
      },
    )

    it.each<[string, OriginOptions]>([
      ['HTTP/3 is forbidden', { protocols: ['h2', 'http/1.1'] }],
      ['probes and Alt-Svc are off', { select: { probe: 'off', altSvc: 'off' } }],
    ])('no datagram is sent where %s', async (_, options) => {
      await using caddy = await startRelayedCaddy()
      const log = new SelectionLog()
      await using transport = createTransport({
        defaults: { tls: { ca: caddy.ca }, ...options },
        observer: log.observer,
      })
      for (let burst = 0; burst < 10; burst++)
        await Promise.all(Array.from({ length: 8 }, () => timeOf(transport, `${caddy.url}/hello`)))
      transport.networkChanged()
      await timeOf(transport, `${caddy.url}/hello`)
      await sleep(150)
      expect(caddy.udp.counts['to-server'].received).toBe(0)
      expect(log.lanes).not.toContain('h3')
    })

    it('the policy `efficiency` looks for no HTTP/3, and stays off it where TCP does well', async () => {
      await using caddy = await startRelayedCaddy()
      const log = new SelectionLog()
      await using transport = createTransport({
        defaults: { tls: { ca: caddy.ca }, select: { policy: 'efficiency' } },
        observer: log.observer,
      })
      await timeOf(transport, `${caddy.url}/hello`)
      await sleep(50)
      expect(caddy.udp.counts['to-server'].received).toBe(0) // no probe, no handshake for its own sake
      for (let request = 0; request < 150; request++) await timeOf(transport, `${caddy.url}/hello`)
      expect(log.of('decision').map(({ decision }) => decision.lane)).not.toContain('h3')
      expect(log.lanes.slice(-50)).not.toContain('h3')
      expect(log.of('evidence').map(({ source }) => source)).not.toContain('probe')
    })

    it('pinned HTTP/3 takes nothing else, and fails where UDP is dead', async () => {
      await using caddy = await startRelayedCaddy()
      const log = new SelectionLog()
      const defaults: OriginOptions = {
        protocols: ['h3'],
        tls: { ca: caddy.ca },
        timeouts: { connectMs: 300 },
      }
      {
        await using transport = createTransport({ defaults, observer: log.observer })
        for (let request = 0; request < 10; request++) await timeOf(transport, `${caddy.url}/hello`)
        expect(new Set(log.lanes)).toEqual(new Set(['h3']))
        expect(log.of('connection-opened')).toHaveLength(1)
      }
      caddy.udp.isBlackHole = true
      await using transport = createTransport({ defaults, observer: log.observer })
      await expect(transport.request(`${caddy.url}/hello`)).rejects.toMatchObject({
        code: 'MM_CONNECT_TIMEOUT',
      })
      expect(log.of('connection-opened')).toHaveLength(1)
    })
  },
)
