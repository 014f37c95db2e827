import { afterEach, describe, expect, it, vi } from 'vitest'
import { LiveSummary } from '../../../src/demo/live-summary.ts'
import { type Summary, summarize, summaryLine } from '../../../src/demo/summary-line.ts'
import type { PoolStats } from '../../../src/origin/stats.ts'

const nothing: Summary = { requests: 0, connections: 0, opened: 0, handshakeSecondsSaved: 0, protocols: {} }
const some: Summary = {
  requests: 200,
  connections: 4,
  opened: 5,
  handshakeSecondsSaved: 0.25,
  protocols: { h2: 1, 'http/1.1': 3 },
}

afterEach(() => {
  vi.useRealTimers()
})

describe('the summary of the demo', () => {
  it('adds the pools up', () => {
    const pool = {
      requests: 10,
      opened: { full: 1, resumed: 2, earlyData: 0, cleartext: 0 },
      handshakeSecondsSaved: 0.5,
      byProtocol: { h2: { idle: 1, leased: 0, draining: 0, streams: 3, capacity: 100 } },
    }
    const pools = [pool, pool] as unknown as PoolStats[] // only what is added up
    const resolver = { answered: 0, failed: 0, stale: 0 }
    expect(summarize({ pools, leaving: [], totalConnections: 3, deferredDials: 0, resolver })).toEqual({
      requests: 20,
      connections: 3,
      opened: 6,
      handshakeSecondsSaved: 1,
      protocols: { h2: 2 },
    })
  })

  it('says it in one line', () => {
    expect(summaryLine(some, { ...nothing, requests: 100 }, 2000)).toBe(
      'requests 200 (50/s) | connections 4 (5 opened, 1 h2, 3 http/1.1) | reuse rate 97.5 % | handshake time saved 250 ms',
    )
    expect(summaryLine(nothing, nothing, 0)).toBe(
      'requests 0 (0/s) | connections 0 (0 opened) | reuse rate - | handshake time saved 0 ms',
    )
    expect(summaryLine({ ...some, handshakeSecondsSaved: 12.34 }, some, 1000)).toContain('saved 12.3 s')
  })

  it('is rewritten in place on a terminal, every second, and never wraps', () => {
    vi.useFakeTimers()
    const written: string[] = []
    const live = new LiveSummary({ isTTY: true, columns: 40, write: text => written.push(text) }, () => some)
    vi.advanceTimersByTime(2000)
    live.stop()
    vi.advanceTimersByTime(2000)
    const line = `\r\x1b[2K${summaryLine(some, some, 1000).slice(0, 39)}`
    expect(written).toEqual([line, line, line, '\n'])
  })

  it('is a line every ten seconds elsewhere, only when something changed', () => {
    vi.useFakeTimers()
    const written: string[] = []
    let now = nothing
    const live = new LiveSummary({ write: text => written.push(text) }, () => now)
    vi.advanceTimersByTime(30_000)
    expect(written.length).toBe(1)
    now = some
    vi.advanceTimersByTime(9_999)
    expect(written.length).toBe(1)
    vi.advanceTimersByTime(20_001)
    live.stop()
    expect(written).toEqual([
      expect.stringContaining('requests 0 (0/s)'),
      expect.stringContaining('requests 200 (20/s)'),
    ])
  })
})
