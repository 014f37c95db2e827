import { afterEach, describe, expect, it, vi } from 'vitest'
import { LiveSummary, type Summary, summarize, summaryLine } from '../../../src/demo/live-summary.ts'
import { carrierField } from '../../../src/demo/start-connector.ts'
import type { Connection } from '../../../src/entry/events.ts'
import type { PoolStats } from '../../../src/origin/stats.ts'
import { NO_ECONOMY } from '../../support/economy-figures.ts'

const nothing: Summary = {
  requests: 0,
  unconnected: 0,
  connections: 0,
  opened: 0,
  handshakeSecondsSaved: 0,
  protocols: {},
}
const some: Summary = {
  requests: 200,
  unconnected: 0,
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
    expect(
      summarize(
        {
          pools,
          leaving: [],
          economy: NO_ECONOMY.economy,
          totalConnections: 3,
          deferredDials: 0,
          ports: { budget: undefined, pairs: [], refused: 0 },
          resolver,
        },
        2,
      ),
    ).toEqual({
      requests: 22,
      unconnected: 2,
      connections: 2, // the third is still being made
      opened: 6,
      handshakeSecondsSaved: 1,
      protocols: { h2: 2 },
    })
  })

  it('prints one line, and leaves out what does not fit', () => {
    const before = { ...nothing, requests: 100 }
    expect(summaryLine(some, before, 2000, 119)).toBe(
      '200 requests (50/s) | 4 of 5 connections open: 1 h2, 3 http/1.1 | reuse 97.5 % | saved 250 ms of handshakes',
    )
    expect(summaryLine(some, before, 2000, 79)).toBe(
      '200 requests (50/s) | reuse 97.5 % | saved 250 ms of handshakes',
    )
    expect(summaryLine(some, before, 2000, 30)).toBe('200 requests (50/s)')
    expect(summaryLine(nothing, nothing, 0, 119)).toBe(
      '0 requests (0/s) | 0 of 0 connections open | reuse - | saved 0 ms of handshakes',
    )
    expect(summaryLine({ ...some, handshakeSecondsSaved: 12.34 }, some, 1000, 79)).toContain('saved 12.3 s')
  })

  it('names the requests that got no connection, which have no part in the reuse rate', () => {
    const failing = { ...some, requests: 210, unconnected: 10 }
    expect(summaryLine(failing, some, 1000, 119)).toBe(
      '210 requests (10/s), 10 without a connection | 4 of 5 connections open | reuse 97.5 % | saved 250 ms of handshakes',
    )
    const one = { ...nothing, requests: 1, unconnected: 1 }
    expect(summaryLine(one, nothing, 1000, 79)).toContain(
      '1 request (1/s), 1 without a connection | reuse - |',
    )
    const none = { ...nothing, requests: 3, unconnected: 3 }
    expect(summaryLine(none, nothing, 1000, 79)).toContain('3 without a connection | reuse - |')
  })

  it('is rewritten in place on a terminal, every second, and never wraps', () => {
    vi.useFakeTimers()
    const written: string[] = []
    const live = new LiveSummary({ isTTY: true, columns: 40, write: text => written.push(text) }, () => some)
    vi.advanceTimersByTime(2000)
    live.stop()
    vi.advanceTimersByTime(2000)
    const line = summaryLine(some, some, 1000, 39)
    expect(line.length).toBeLessThan(40)
    expect(written).toEqual([line, `\r\x1b[J${line}`, `\r\x1b[J${line}`, '\n'])
  })

  it('is drawn anew when the window gets another size, and the rows that the old line wrapped into go', () => {
    vi.useFakeTimers()
    const written: string[] = []
    const listeners: (() => void)[] = []
    const output = {
      isTTY: true,
      columns: 80,
      write: (text: string) => written.push(text),
      on: (_event: 'resize', listener: () => void) => listeners.push(listener),
    }
    const live = new LiveSummary(output, () => some)
    output.columns = 30
    for (const listener of listeners) listener()
    live.stop()
    expect(written[1]).toBe(`\x1b[2A\r\x1b[J${summaryLine(some, some, 0, 29)}`)
  })

  it('is a line every five seconds elsewhere, only when something changed', () => {
    vi.useFakeTimers()
    const written: string[] = []
    let now = nothing
    const live = new LiveSummary({ write: text => written.push(text) }, () => now)
    vi.advanceTimersByTime(30_000)
    expect(written.length).toBe(1)
    now = some
    vi.advanceTimersByTime(4_999)
    expect(written.length).toBe(1)
    vi.advanceTimersByTime(20_001)
    live.stop()
    expect(written).toEqual([
      expect.stringContaining('0 requests (0/s)'),
      expect.stringContaining('200 requests (40/s)'),
    ])
  })
})

describe('the field that says what carried an answer', () => {
  it('names the protocol, the connection, and what its handshake cost or would have cost', () => {
    const handshake = { timings: { dnsMs: 1, connectMs: 40.2, tlsMs: 41 } }
    const connection = { id: 3, protocol: 'h2', handshake } as unknown as Connection // what the field reads
    expect(carrierField({ connection, reused: false })).toEqual([
      'proxy-status',
      'middlemile; next-protocol=h2; details="connection 3, new: it cost a handshake of 81 ms"',
    ])
    expect(carrierField({ connection, reused: true })[1]).toContain('reused: it spared a handshake of 81 ms')
    expect(carrierField({ connection: undefined, reused: false })).toEqual([])
  })
})
