import { describe, expect, it } from 'vitest'
import { DEFAULT_LIVENESS_OPTIONS, DEFAULT_QUIC_OPTIONS } from '../../src/base/options/protocol-options.ts'
import { Http3Rig } from './http3-rig.ts'

const LATENCY_MS = 20
/** The round trip and what is added to it: see SessionWatch. */
const PTO_MS = 3 * 2 * LATENCY_MS + 25
const POST = { method: 'POST', body: Buffer.from('pay') }
const { unresponsiveMs, doubtMs } = DEFAULT_QUIC_OPTIONS
const DEAD_MS = DEFAULT_LIVENESS_OPTIONS.intervalMs + DEFAULT_LIVENESS_OPTIONS.timeoutMs

type Quic = NonNullable<Parameters<typeof Http3Rig.start>[0]>['clientQuic']

/**
 * A connection that is idle, whose server answers at once; and then is gone without a word, as one that was
 * killed and started again.
 */
async function idleRig(clientQuic: Quic = {}, lossRate = 0, seed = 1) {
  const conditions = { latencyMs: LATENCY_MS, lossRate, maxDatagramBytes: 1200 }
  const rig = await Http3Rig.start({ conditions, clientQuic, seed })
  rig.server.onRequest = request => request.answer({ body: Buffer.from('ok') })
  await rig.finish([rig.fetch('/first')])
  await rig.settle()
  rig.log.length = 0
  return { rig, vanish: () => void (conditions.lossRate = 1) }
}

const requestsOf = (rig: Http3Rig): string[] => rig.server.requests.map(({ head }) => head.path)

describe('a server of HTTP/3 that is gone without notice', () => {
  it('gets no new requests after three probe timeouts, while those under way wait for what liveness finds', async () => {
    const { rig, vanish } = await idleRig()
    vanish()
    const lost = rig.fetch('/lost')
    const startedAt = rig.pair.now
    await rig.until(() => rig.log.length > 0)
    expect(rig.log).toEqual(['draining unresponsive'])
    const tookMs = rig.pair.now - startedAt
    expect(tookMs).toBeGreaterThanOrEqual(Math.max(3 * PTO_MS, unresponsiveMs) - 1)
    expect(tookMs).toBeLessThan(Math.max(3 * PTO_MS, unresponsiveMs) + 2 * PTO_MS)
    expect(rig.connection.endedBy).toBe('unresponsive')
    const refused = rig.fetch('/refused')
    expect(refused.error).toMatchObject({ code: 'MM_CONNECTION_CLOSED', processed: 'no' })
    await rig.finish([lost])
    expect(lost.error).toMatchObject({ code: 'MM_CONNECTION_RESET', processed: 'unknown' })
    expect(lost.tookMs).toBeGreaterThan(DEAD_MS - 1_000)
    expect(rig.log.at(-1)).toBe('closed ping-failed')
  })

  it('gets no request that cannot be sent twice, which waits for an answer to a PING, and goes back unsent', async () => {
    const { rig, vanish } = await idleRig()
    vanish()
    let hasLeft = false
    rig.pair.drop((from, { frames }) => {
      hasLeft ||= from === 'client' && frames.some(frame => frame.type === 'stream' && frame.stream === 4)
      return false
    })
    const post = rig.fetch('/pay', POST)
    await rig.finish([post])
    expect(post.error).toMatchObject({ code: 'MM_CONNECTION_CLOSED', processed: 'no' })
    expect(hasLeft).toBe(false)
    expect(post.tookMs).toBeLessThan(Math.max(3 * PTO_MS, unresponsiveMs) + 2 * PTO_MS)
    expect(rig.log.at(-1)).toBe('closed unresponsive')
  })

  it('loses no POST that waits beside a GET that has left', async () => {
    const { rig, vanish } = await idleRig()
    vanish()
    const get = rig.fetch('/get')
    await rig.pass(2 * PTO_MS) // in doubt by now
    const post = rig.fetch('/pay', POST)
    await rig.finish([post])
    expect([post.error?.processed, get.isDone]).toEqual(['no', false])
  })

  it('is waited for as long as liveness allows where the options say so', async () => {
    const { rig, vanish } = await idleRig({ unresponsiveMs: 0, doubtMs: 0 })
    vanish()
    const post = rig.fetch('/pay', POST)
    await rig.finish([post])
    expect(post.error).toMatchObject({ code: 'MM_CONNECTION_RESET', processed: 'unknown' })
    expect(rig.log).toEqual(['draining ping-failed', 'stream-failed', 'closed ping-failed'])
  })
})

describe('a server of HTTP/3 that is there', () => {
  it('is asked before a POST on a connection that was idle, which costs one round trip', async () => {
    const { rig } = await idleRig()
    const post = rig.fetch('/pay', POST)
    await rig.finish([post])
    expect([post.status, requestsOf(rig)]).toEqual([200, ['/first', '/pay']])
    expect(post.tookMs).toBeGreaterThanOrEqual(4 * LATENCY_MS)
    expect(post.tookMs).toBeLessThan(5 * LATENCY_MS + 25) // and the delay of an acknowledgement
  })

  it('is not asked before a GET, nor before a POST soon after something came', async () => {
    const { rig } = await idleRig({ doubtMs: 60_000 })
    const post = rig.fetch('/pay', POST)
    await rig.finish([post])
    expect(post.tookMs).toBeLessThan(3 * LATENCY_MS)
    const idle = await idleRig({ doubtMs })
    const get = idle.rig.fetch('/get')
    await idle.rig.finish([get])
    expect(get.tookMs).toBeLessThan(3 * LATENCY_MS)
    const next = idle.rig.fetch('/pay', POST)
    await idle.rig.finish([next])
    expect(next.tookMs).toBeLessThan(3 * LATENCY_MS)
  })

  it('may be silent for as long as it computes an answer', async () => {
    const { rig } = await idleRig()
    rig.server.onRequest = request => {
      rig.timers.setTimer(60_000, () => request.answer({ body: Buffer.from('late') }))
    }
    const slow = rig.fetch('/slow')
    await rig.finish([slow])
    expect([slow.status, rig.log]).toEqual([200, ['stream-closed']])
  })

  it('is rarely taken for gone where a tenth of all packets are lost', async () => {
    let taken = 0
    for (let seed = 1; seed <= 20; seed += 1) {
      const { rig } = await idleRig({}, 0.1, seed)
      for (let round = 0; round < 25 && !rig.log.includes('draining unresponsive'); round += 1) {
        await rig.finish([rig.fetch('/again')])
        await rig.pass(200)
      }
      if (rig.log.includes('draining unresponsive')) taken += 1
    }
    expect(taken).toBeLessThanOrEqual(1)
  })
})
