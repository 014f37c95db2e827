import { constants } from 'node:http2'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createTransport, type OriginOptions } from '../../../src/index.ts'
import { type CertificateAuthority, createCertificateAuthority } from '../../../src/testing/certificates.ts'
import { startCaddy } from '../../support/caddy.ts'
import { FaultyPort, type PortBehavior } from '../../support/faulty-port.ts'
import { startNginx } from '../../support/nginx.ts'
import { startNodeHttp2 } from '../../support/node-http2.ts'
import { requireBinary } from '../../support/require-binary.ts'
import { volume } from '../../support/volume.ts'

const missing = requireBinary('nginx', 'caddy')
const ORIGIN = 'https://localhost'
const PER_SECOND = 500
const WARM_MS = 1_000
const FAULT_MS = volume(2_500, 20_000)
/** What a busy machine may take longer than the virtual clock of the simulation does. */
const SHARED_MACHINE_MS = 1_500
/** Of answers that are late. */
const LATE_MS = 300

interface Servers extends AsyncDisposable {
  /** nginx, caddy, and two nginx more. */
  readonly ports: readonly [number, number, number, number]
  /** A server that nobody trusts. */
  readonly strange: number
  /** One that refuses every stream (RFC 9113 8.7). */
  readonly refusing: number
}

let authority: CertificateAuthority
let servers: Servers

beforeAll(async () => {
  if (missing !== undefined) return
  authority = await createCertificateAuthority()
  const nginx = await Promise.all([0, 1, 2].map(() => startNginx({ http2: true, authority })))
  const caddy = await startCaddy({ authority, http2: true })
  const strange = await startNginx({ http2: true })
  const refusing = await startNodeHttp2({
    authority,
    onRequest: (_request, { stream }) => stream.close(constants.NGHTTP2_REFUSED_STREAM),
  })
  const [first, ...others] = nginx.map(({ tlsPort }) => tlsPort)
  servers = {
    ports: [first ?? 0, caddy.tlsPort, others[0] ?? 0, others[1] ?? 0],
    strange: strange.tlsPort,
    refusing: Number(new URL(refusing.url).port),
    async [Symbol.asyncDispose]() {
      await Promise.all([...nginx, caddy, strange, refusing].map(one => one[Symbol.asyncDispose]()))
    },
  }
})
afterAll(() => servers?.[Symbol.asyncDispose]())

interface Outcome {
  readonly failed: readonly string[]
  readonly ms: readonly number[]
  /** When requests went to the faulty one no more. */
  readonly outAfterMs: number
}

/** One of four endpoints, as it is in the list of `servers.ports`, misbehaves after a second. */
async function fault(
  victim: number,
  misbehave: (port: FaultyPort) => void | Promise<void>,
  options: OriginOptions,
): Promise<Outcome> {
  await using port = await FaultyPort.before(servers.ports[victim] ?? 0)
  const endpoints = servers.ports.map((own, index) => `127.0.0.1:${index === victim ? port.port : own}`)
  await using transport = createTransport({
    defaults: {
      tls: { ca: authority.cert },
      protocols: ['h2'],
      endpoints,
      balance: { policy: 'least-requests' },
      ...options,
    },
  })
  const failed: string[] = []
  const ms: number[] = []
  const get = async (isCounted: boolean): Promise<void> => {
    const startedAt = performance.now()
    let problem: string | undefined
    try {
      const response = await transport.request(`${ORIGIN}/1k`)
      await response.dump()
      if (response.status !== 200) problem = `status ${response.status}`
    } catch (error) {
      problem = String(error)
    }
    if (!isCounted) return expect(problem, 'before').toBe(undefined)
    ms.push(performance.now() - startedAt)
    if (problem !== undefined) failed.push(problem)
  }
  const send = async (forMs: number, isCounted: boolean, look: () => void): Promise<void> => {
    const startedAt = performance.now()
    const open: Promise<void>[] = []
    while (performance.now() - startedAt < forMs) {
      const due = Math.floor(((performance.now() - startedAt) * PER_SECOND) / 1_000)
      while (open.length < due) open.push(get(isCounted))
      look()
      await sleep(2)
    }
    await Promise.all(open)
  }
  await send(WARM_MS, false, () => {})
  const row = () => transport.stats().pools[0]?.endpoints?.[victim]
  expect(row(), 'before').toMatchObject({ isUsed: true, because: undefined })
  expect(row()?.requests, 'before').toBeGreaterThan((WARM_MS * PER_SECOND) / 1_000 / 10)
  const startedAt = performance.now()
  let outAfterMs = Infinity
  const misbehaving = misbehave(port)
  await send(FAULT_MS, true, () => {
    if (row()?.isUsed === false) outAfterMs = Math.min(outAfterMs, performance.now() - startedAt)
  })
  await misbehaving
  return { failed, ms, outAfterMs }
}

const become = (behavior: PortBehavior) => (port: FaultyPort) => port.become(behavior)

async function flap(port: FaultyPort): Promise<void> {
  for (let turn = 0; turn < Math.floor(FAULT_MS / 500); turn++) {
    port.become({ kind: turn % 2 === 0 ? 'killed' : 'well' })
    await sleep(500)
  }
}

const RETRIES: OriginOptions = { retry: { statuses: [503], perTryTimeoutMs: 500, maxRetries: 2 } }

describe.skipIf(missing !== undefined).each([
  ['nginx', 0],
  ['caddy', 1],
] as const)(
  `one of four endpoints under 500 requests a second${missing === undefined ? '' : `: ${missing}`}: %s`,
  (_name, victim) => {
    it.each<[string, (port: FaultyPort) => void | Promise<void>, OriginOptions, number, number]>([
      ['is killed', become({ kind: 'killed' }), {}, 50, 0],
      ['flaps', flap, {}, 50, 0],
      ['hangs', become({ kind: 'hung' }), RETRIES, 2_000, 0.001],
      ['has a certificate that nobody trusts', port => elsewhere(port, 'strange'), {}, 50, 0],
      ['refuses streams', port => elsewhere(port, 'refusing'), {}, 300, 0],
    ])('that %s is left in time, and costs no request', async (_fault, misbehave, options, outMs, share) => {
      const { failed, outAfterMs, ms } = await fault(victim, misbehave, options)
      expect(failed.length, failed[0]).toBeLessThanOrEqual(ms.length * share)
      expect(outAfterMs).toBeLessThan(outMs + SHARED_MACHINE_MS)
    })

    it('that is slow is left where latency counts', async () => {
      // It has few requests under way at a time: each takes this long.
      const slow = become({ kind: 'slow', delayMs: 100, share: 1 })
      const options: OriginOptions = { outlier: { latencyFactor: 3, intervalMs: 800, minRequests: 5 } }
      const { failed, outAfterMs } = await fault(victim, slow, options)
      expect(failed).toEqual([])
      expect(outAfterMs).toBeLessThan(2 * 800 + SHARED_MACHINE_MS)
    })

    it.each([0.05, 1])(
      'that is late with a share of %f of its answers delays few requests where they are hedged',
      async share => {
        const slow = become({ kind: 'slow', delayMs: LATE_MS, share })
        const plain = await fault(victim, slow, {})
        const hedged = await fault(victim, slow, { hedge: { quantile: 0.9, budgetRatio: 0.2 } })
        expect([plain.failed, hedged.failed]).toEqual([[], []])
        const lateShare = ({ ms }: Outcome): number =>
          ms.filter(one => one > LATE_MS * 0.9).length / ms.length
        expect(lateShare(plain)).toBeGreaterThan(0)
        expect(lateShare(hedged)).toBeLessThan(lateShare(plain) / 2)
      },
    )
  },
)

function elsewhere(port: FaultyPort, server: 'strange' | 'refusing'): void {
  port.become({ kind: 'elsewhere', port: servers[server] })
}
