import { describe, expect, it } from 'vitest'
import { createTransport } from '../../../src/index.ts'
import { MACHINE_IS_SHARED, timeOf } from '../../support/overhead.ts'
import { startRelayedCaddy } from '../../support/relayed-caddy.ts'
import { requireBinary } from '../../support/require-binary.ts'
import { requireQuic } from '../../support/require-quic.ts'
import { SelectionLog } from '../../support/selection-log.ts'

const missing = requireBinary('caddy') ?? requireQuic()

/**
 * Each way, over TCP and over UDP: a lost datagram then costs more than HTTP/3 is waited for before a second
 * copy goes over TCP.
 */
const LATENCY_MS = 50
const LOSS_RATE = 0.2
const AT_ONCE = 4
const REQUESTS = 240
/** Bounds the test on a machine that is busy: it looks at the requests that there were by then. */
const BUDGET_MS = 14_000
/** Behind which the choice has had its measurements. */
const LEARNING = 60

describe.skipIf(missing !== undefined)(
  `20 % of UDP lost, and nothing of TCP${missing === undefined ? '' : ` (${missing})`}`,
  MACHINE_IS_SHARED,
  () => {
    it('auto does not end on HTTP/3 again and again while the second copies over TCP keep winning', async () => {
      await using origin = await startRelayedCaddy({ tcpDelayMs: LATENCY_MS })
      for (const conditions of Object.values(origin.udp.conditions)) {
        conditions.latencyMs = LATENCY_MS
        conditions.lossRate = LOSS_RATE
      }
      const log = new SelectionLog()
      await using transport = createTransport({
        defaults: { tls: { ca: origin.ca } },
        observer: log.observer,
      })
      const endsAt = performance.now() + BUDGET_MS
      let left = REQUESTS
      const ask = async (): Promise<void> => {
        while (left-- > 0 && performance.now() < endsAt) await timeOf(transport, `${origin.url}/hello`)
      }
      await Promise.all(Array.from({ length: AT_ONCE }, ask))
      // HTTP/3 was found and tried, over the lossy way.
      expect(log.http3Dials.join()).toContain('connected')
      expect(origin.udp.counts['to-client'].lost).toBeGreaterThan(0)
      const { lanes } = log
      expect(lanes.length, log.text).toBeGreaterThan(LEARNING)
      const learned = lanes.slice(LEARNING)
      const overTcp = learned.filter(lane => lane === 'tcp').length
      expect(overTcp / learned.length, log.text).toBeGreaterThanOrEqual(0.75)
      // Each time that it was chosen and lost again.
      const turns = log.of('decision').filter(({ decision }) => decision.lane === 'h3').length
      expect(turns, log.text).toBeLessThanOrEqual(3)
      expect(log.of('exchange-retried').length / lanes.length, log.text).toBeLessThanOrEqual(0.1)
    }, 30_000)
  },
)
