import { describe, expect, it } from 'vitest'
import { type OriginLoad, parseOrigin, type TransportError } from '../../../../src/index.ts'
import {
  type BufferOptions,
  DEFAULT_BUFFER_OPTIONS,
} from '../../../../src/service/forwarding/buffer-options.ts'
import {
  STALL_CHECK_MS,
  type StalledExchange,
  StalledReaders,
  stalledToEnd,
} from '../../../../src/service/forwarding/stalled-readers.ts'
import { FakeClock } from '../../../../src/testing/fake-clock.ts'

const SHOP = parseOrigin('https://origin.example')
const OTHER = parseOrigin('https://other.example')

describe('the number of stalled readers to end', () => {
  const full = { isFull: true, waiters: 10, streams: 64, stalledReaders: 64, stalled: 0 }
  it.each([
    ['the share that may stall stays', full, 0.5, 10],
    ['no more than stand above the share', { ...full, waiters: 100 }, 0.5, 32],
    ['nobody below the share', { ...full, stalledReaders: 32 }, 0.5, 0],
    ['one above it', { ...full, stalledReaders: 33 }, 0.5, 1],
    ['nobody where only those stall that hold no place', { ...full, streams: 128, stalled: 64 }, 0.5, 0],
    ['as many as hold places', { ...full, streams: 128, stalledReaders: 100, stalled: 64 }, 0.5, 4],
    ['nobody while nobody waits', { ...full, waiters: 0 }, 0.5, 0],
    ['nobody while a connection can be made', { ...full, isFull: false }, 0.5, 0],
    ['all with a share of 0', { ...full, waiters: 100 }, 0, 64],
    ['nobody with a share of 1', { ...full, streams: 0 }, 1, 0],
  ])('follows the rule: %s', (_, pressure, share, expected) => {
    expect(stalledToEnd(pressure, share)).toBe(expected)
  })
})

class Reader implements StalledExchange {
  readonly origin
  readonly #readers: StalledReaders
  isBufferable = false
  isBuffered = false
  endedBy: TransportError | undefined

  constructor(readers: StalledReaders, origin = SHOP) {
    this.origin = origin
    this.#readers = readers
  }

  startBuffering(): boolean {
    this.isBuffered = this.isBufferable
    return this.isBufferable
  }

  endStalled(error: TransportError): void {
    this.endedBy = error
    this.#readers.delete(this)
  }
}

function setUp(options: Partial<BufferOptions> = {}) {
  const clock = new FakeClock()
  const load: OriginLoad = { waiters: 0, streams: 4, stalled: 0, isFull: true }
  const loads = new Map([[SHOP.key, load]])
  const all = { ...DEFAULT_BUFFER_OPTIONS, ...options }
  const readers = new StalledReaders(all, { clock, transport: { load: ({ key }) => loads.get(key) } })
  const pause = (count: number, origin = SHOP): Reader[] =>
    Array.from({ length: count }, () => {
      const reader = new Reader(readers, origin)
      readers.addPaused(reader)
      return reader
    })
  const wait = (waiters: number) => loads.set(SHOP.key, { ...load, waiters })
  return { clock, readers, pause, wait }
}

describe('a reader that stalls', () => {
  it('is buffered after a moment, and not before', () => {
    const { clock, readers, pause } = setUp()
    const [reader] = pause(1)
    if (reader === undefined) return
    reader.isBufferable = true
    clock.advance(STALL_CHECK_MS - 1)
    expect(reader.isBuffered).toBe(false)
    clock.advance(1)
    expect([reader.isBuffered, readers.stats.stalledReaders]).toEqual([true, 0])
    expect(clock.advanceToNextTimer(), 'nobody is left to look at').toBe(false)
  })

  it('costs nothing when it goes on by itself', () => {
    const { clock, readers, pause } = setUp()
    const [reader] = pause(1)
    if (reader === undefined) return
    reader.isBufferable = true
    readers.delete(reader)
    clock.advance(10 * STALL_CHECK_MS)
    expect(reader.isBuffered).toBe(false)
  })

  it('that cannot be buffered holds its connection while nobody waits for it', () => {
    const { clock, readers, pause } = setUp()
    const all = pause(4)
    clock.advance(600_000)
    expect(all.map(({ endedBy }) => endedBy)).toEqual([undefined, undefined, undefined, undefined])
    expect(readers.stats).toMatchObject({ stalledReaders: 4, endedReaders: 0 })
  })

  it('makes room for waiting requests: the longest stalled first, down to the share', () => {
    const { clock, readers, pause, wait } = setUp()
    const [first, second] = pause(2)
    clock.advance(5_000)
    const [third, fourth] = pause(2)
    const elsewhere = pause(4, OTHER)
    wait(1)
    clock.advance(STALL_CHECK_MS)
    expect(first?.endedBy).toMatchObject({ code: 'MM_CLIENT_TOO_SLOW', processed: 'yes' })
    expect(first?.endedBy?.message).toMatch(
      /took nothing for 5100 ms while 1 requests waited .* https:\/\/origin.example/,
    )
    expect(second?.endedBy).toBeUndefined()
    wait(7)
    clock.advance(10_000)
    expect(second?.endedBy?.code).toBe('MM_CLIENT_TOO_SLOW')
    expect([third, fourth, ...elsewhere].map(reader => reader?.endedBy?.code)).toEqual(
      Array.from({ length: 6 }, () => undefined),
    )
    expect(readers.stats).toMatchObject({ stalledReaders: 6, endedReaders: 2 })
  })

  it('is left alone within its grace', () => {
    const { clock, pause, wait } = setUp({ stallGraceMs: 1_000 })
    wait(4)
    const all = pause(4)
    clock.advance(999)
    expect(all.every(({ endedBy }) => endedBy === undefined)).toBe(true)
    clock.advance(STALL_CHECK_MS)
    expect(all.filter(({ endedBy }) => endedBy !== undefined)).toHaveLength(2)
  })

  it('with a grace of 0 is ended as soon as it counts as stalled', () => {
    const { clock, pause, wait } = setUp({ stallGraceMs: 0 })
    wait(1)
    const all = pause(4)
    clock.advance(STALL_CHECK_MS)
    expect(all.filter(({ endedBy }) => endedBy !== undefined)).toHaveLength(1)
  })

  it('is buffered rather than ended when there is memory by then', () => {
    const { clock, readers, pause, wait } = setUp()
    const all = pause(4)
    clock.advance(2_000)
    for (const reader of all) reader.isBufferable = true
    wait(1)
    clock.advance(STALL_CHECK_MS)
    expect(all.map(({ isBuffered }) => isBuffered)).toEqual([true, false, false, false])
    expect(readers.stats).toMatchObject({ stalledReaders: 3, endedReaders: 0 })
  })

  it('stays when its origin is not known any more', () => {
    const { clock, pause } = setUp({ maxStalledShare: 0, stallGraceMs: 0 })
    const [reader] = pause(1, OTHER)
    clock.advance(10_000)
    expect(reader?.endedBy).toBeUndefined()
  })

  it('follows a new configuration', () => {
    const { clock, readers, pause, wait } = setUp({ maxStalledShare: 1 })
    const all = pause(4)
    wait(4)
    clock.advance(5_000)
    expect(readers.stats.endedReaders).toBe(0)
    readers.configure({ ...DEFAULT_BUFFER_OPTIONS, maxStalledShare: 0, maxBufferedBytes: 5 })
    clock.advance(STALL_CHECK_MS)
    expect(all.every(({ endedBy }) => endedBy?.code === 'MM_CLIENT_TOO_SLOW')).toBe(true)
    expect(readers.budget.limitBytes).toBe(5)
  })
})
