import { describe, expect, it } from 'vitest'
import { LogDestination } from '../../../../src/service/logging/log-destination.ts'
import type { LogSink } from '../../../../src/service/logging/log-sink.ts'
import { FakeClock } from '../../../../src/testing/fake-clock.ts'
import { collectFaults, DEFECT, fail } from '../../../support/collected-faults.ts'

/** Takes so many bytes; then it is full. */
class FakeSink implements LogSink {
  room = Number.POSITIVE_INFINITY
  error: string | undefined
  written = ''
  isClosed = false

  write(bytes: Buffer, done: (error: NodeJS.ErrnoException | null, written: number) => void): void {
    try {
      done(null, this.writeAtExit(bytes))
    } catch (error) {
      done(error as NodeJS.ErrnoException, 0) // as: made below
    }
  }

  writeAtExit(bytes: Buffer): number {
    const code = this.error ?? (this.room === 0 ? 'EAGAIN' : undefined)
    if (code !== undefined) throw Object.assign(new Error(code), { code })
    const taken = bytes.subarray(0, Math.min(this.room, bytes.length))
    this.room -= taken.length
    this.written += taken.toString()
    return taken.length
  }

  close(): void {
    this.isClosed = true
  }
}

function setUp(limits = { maxBytes: 1_000, maxLines: 5 }) {
  const sink = new FakeSink()
  const clock = new FakeClock(0)
  const resumed: number[] = []
  const log = new LogDestination({ ...limits, sink, clock, onResumed: dropped => void resumed.push(dropped) })
  return { sink, clock, resumed, log }
}

const turn = (): Promise<void> => new Promise(resolve => setImmediate(resolve))

describe('a log destination', () => {
  it('writes the lines of a turn together, after it', async () => {
    const { sink, log } = setUp()
    log.write('a\n')
    log.write('b\n')
    expect(sink.written).toBe('')
    await turn()
    expect(sink.written).toBe('a\nb\n')
  })

  it('writes no more at once than blockBytes, except a line that is longer', async () => {
    const blocks: string[] = []
    class Counting extends FakeSink {
      override writeAtExit(bytes: Buffer): number {
        blocks.push(bytes.toString())
        return super.writeAtExit(bytes)
      }
    }
    const clock = new FakeClock(0)
    const limits = { maxBytes: 1_000, maxLines: 5, blockBytes: 4 }
    const log = new LogDestination({ ...limits, sink: new Counting(), clock, onResumed: () => {} })
    for (const line of ['1\n', '2\n', 'longer\n', '3\n']) log.write(line)
    await turn()
    clock.advance(1)
    clock.advance(1)
    expect(blocks).toEqual(['1\n2\n', 'longer\n', '3\n'])
  })

  it('waits for a sink that is full, goes on in the middle of a line, and reports what it dropped', async () => {
    const { sink, clock, resumed, log } = setUp()
    sink.room = 3
    for (const line of ['1\n', '2\n', '3\n']) log.write(line)
    await turn()
    expect(sink.written).toBe('1\n2')
    for (let i = 4; i < 14; i++) log.write(`${i}\n`)
    expect(log.dropped, 'what it has in hand does not count').toBe(5)
    clock.advance(10_000)
    expect(resumed).toEqual([])
    sink.room = Number.POSITIVE_INFINITY
    clock.advance(500)
    expect(sink.written).toBe('1\n2\n3\n4\n5\n6\n7\n8\n')
    expect(resumed).toEqual([5])
  })

  it.each(['EPIPE', 'ENOSPC'])('counts lines lost by %s, and tries again later', async code => {
    const { sink, clock, resumed, log } = setUp()
    sink.error = code
    log.write('a\n')
    log.write('b\n')
    await turn()
    expect(log.dropped).toBe(2)
    sink.error = undefined
    log.write('c\n')
    await turn()
    expect(sink.written).toBe('')
    clock.advance(1_000)
    expect([sink.written, resumed]).toEqual(['c\n', [2]])
  })

  it('flushes at once when nothing waits, when everything is written, or when the time is up', async () => {
    const { sink, clock, log } = setUp()
    await log.flush(100)
    log.write('a\n')
    await log.flush(100)
    expect(sink.written).toBe('a\n')
    sink.room = 0
    log.write('b\n')
    const late = log.flush(100)
    await turn()
    clock.advance(100)
    await late
    expect(sink.written).toBe('a\n')
  })

  it('writes at the exit of the process what the sink accepts without waiting', () => {
    const { sink, log } = setUp()
    log.write('a\n')
    log.write('b\n')
    sink.room = 3
    log.flushAtExit()
    expect(sink.written).toBe('a\nb')
    log.flushAtExit()
    expect(sink.written).toBe('a\nb')
  })

  it('accepts nothing any more when it is closed', async () => {
    const { sink, clock, log } = setUp()
    sink.room = 0
    log.write('a\n')
    await turn()
    log.close()
    log.close()
    log.write('b\n')
    await turn()
    expect([sink.isClosed, sink.written, clock.pendingTimers(), log.dropped]).toEqual([true, '', 0, 1])
  })
})

it.each(['write', 'resumed'] as const)(
  'a log destination survives a defect in its sink or its owner (%s)',
  async where => {
    const heard = collectFaults()
    const sink = new FakeSink()
    const clock = new FakeClock(0)
    let isBroken = true
    const { write } = sink
    if (where === 'write') sink.write = (...args) => (isBroken ? fail() : write.apply(sink, args))
    const onResumed = (): void => {
      if (isBroken) fail()
    }
    const log = new LogDestination({ maxBytes: 1_000, maxLines: 1, sink, clock, onResumed })
    for (const line of ['1\n', '2\n']) log.write(line)
    await turn()
    expect(heard()).toEqual([`writing the log: ${String(DEFECT)}`])
    isBroken = false
    clock.advance(2_000)
    log.write('3\n')
    clock.advance(2_000)
    await turn()
    expect(sink.written).toMatch(/3\n$/)
  },
)
