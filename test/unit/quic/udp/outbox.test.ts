import { describe, expect, it } from 'vitest'
import type { UdpAddress } from '../../../../src/quic/engine.ts'
import { MessageArena, OUTGOING_BYTES } from '../../../../src/quic/udp/message-arena.ts'
import { Outbox } from '../../../../src/quic/udp/outbox.ts'

const EIO = 5
const EAGAIN = 11
const EINVAL = 22
const ECONNREFUSED = 111
const ENETUNREACH = 101

/** Where the memory pretends to be. */
const BASE = 0x10_0000

/** The kernel: reads the messages as sendmmsg(2) does, and answers by a script. */
class Kernel {
  readonly arena: MessageArena
  /** Of each message that was taken: its datagrams. */
  readonly taken: string[][] = []
  readonly refused: string[] = []
  calls = 0
  /** For each call: how many messages are taken, or an errno below 0. Then all. */
  script: number[] = []
  /** Refuses what is to be cut up. */
  cutsNothing: number | undefined
  #memory: Buffer = Buffer.alloc(0)

  constructor() {
    this.arena = new MessageArena(memory => {
      this.#memory = Buffer.from(memory.buffer, memory.byteOffset, memory.length)
      return BigInt(BASE)
    })
  }

  readonly send = (_fd: number, first: number, count: number): number => {
    this.calls += 1
    const answer = this.script.shift() ?? count
    if (answer < 0) return answer
    let sent = 0
    for (; sent < Math.min(answer, count); sent += 1) {
      const header = this.arena.departureHeaders(first + sent, 1) - BASE
      const iov = this.#pointer(header + 16)
      const at = this.#pointer(iov)
      const bytes = this.#memory.readUInt32LE(iov + 8)
      const control = this.#memory.readUInt32LE(header + 40)
      const segment = control === 0 ? bytes : this.#memory.readUInt16LE(this.#pointer(header + 32) + 16)
      if (control > 0 && this.cutsNothing !== undefined) return sent === 0 ? -this.cutsNothing : sent
      const pieces: string[] = []
      for (let begin = 0; begin < bytes; begin += segment)
        pieces.push(this.#memory.toString('latin1', at + begin, at + Math.min(bytes, begin + segment)))
      this.taken.push(pieces)
    }
    return sent
  }

  outbox(): Outbox {
    return new Outbox({
      calls: { arena: this.arena, send: this.send },
      fd: 3,
      family: 4,
      onRefused: (errno, to) => this.refused.push(`${errno} ${to?.host ?? ''}`),
      onUnsegmented: errno => this.refused.push(`unsegmented ${errno}`),
    })
  }

  #pointer(at: number): number {
    return this.#memory.readUInt32LE(at) + this.#memory.readUInt32LE(at + 4) * 2 ** 32 - BASE
  }
}

/** As an engine does it: into the room that it is given. */
function put(outbox: Outbox, text: string, to?: UdpAddress): void {
  const room = outbox.room(1350)
  outbox.add(room.subarray(0, room.write(text, 'latin1')), to, undefined, 0)
}

function sending(...texts: readonly string[]): { kernel: Kernel; outbox: Outbox } {
  const kernel = new Kernel()
  const outbox = kernel.outbox()
  for (const text of texts) put(outbox, text)
  return { kernel, outbox }
}

describe('the datagrams of one turn', () => {
  it('leave with one call, those of one size as one message', () => {
    const { kernel, outbox } = sending('aaaa', 'bbbb', 'cc', 'dddddd')
    expect(kernel.calls).toBe(0)
    outbox.flush()
    expect(kernel.taken).toEqual([['aaaa', 'bbbb', 'cc'], ['dddddd']])
    expect(kernel.calls).toBe(1)
  })

  it('are copied when they were written elsewhere', () => {
    const { kernel, outbox } = sending('aa')
    outbox.add(Buffer.from('bb'), undefined, undefined, 0)
    put(outbox, 'cc')
    outbox.flush()
    expect(kernel.taken).toEqual([['aa', 'bb', 'cc']])
  })

  it('leave before the memory is full', () => {
    const { kernel, outbox } = sending()
    const count = Math.ceil(OUTGOING_BYTES / 1350) + 3
    for (let index = 0; index < count; index += 1) put(outbox, 'x'.repeat(1350))
    expect(kernel.calls).toBe(1)
    outbox.flush()
    expect(kernel.taken.flat()).toHaveLength(count)
  })

  it('leave before another socket writes over them, and its datagrams are its own', () => {
    const { kernel, outbox } = sending('aa')
    const other = kernel.outbox()
    put(other, 'bb')
    expect(kernel.taken).toEqual([['aa']])
    outbox.flush()
    other.flush()
    expect(kernel.taken).toEqual([['aa'], ['bb']])
  })

  it('are refused to an address of another family, and the others leave', () => {
    const { kernel, outbox } = sending()
    put(outbox, 'a', { host: '192.0.2.1', port: 1 })
    put(outbox, 'b', { host: '2001:db8::1', port: 1 })
    put(outbox, 'c', { host: '192.0.2.1', port: 1 })
    outbox.flush()
    expect(kernel.taken).toEqual([['a'], ['c']])
    expect(kernel.refused).toEqual([`${EINVAL} 2001:db8::1`])
  })
})

describe('a kernel without segmentation', () => {
  it.each([EIO, EINVAL])('(errno %i) gets the same datagrams one by one, from then on', errno => {
    const { kernel, outbox } = sending('aa', 'bb', 'cc')
    kernel.cutsNothing = errno
    outbox.flush()
    expect(kernel.taken).toEqual([['aa'], ['bb'], ['cc']])
    expect(kernel.refused).toEqual([`unsegmented ${errno}`])
    put(outbox, 'dd')
    put(outbox, 'ee')
    const { calls } = kernel
    outbox.flush()
    expect(kernel.calls).toBe(calls + 1)
    expect(kernel.taken.flat()).toEqual(['aa', 'bb', 'cc', 'dd', 'ee'])
  })

  it('found in the middle of a batch loses none and repeats none', () => {
    const { kernel, outbox } = sending('a', 'bbb', 'ccc', 'ddd')
    kernel.cutsNothing = EIO
    outbox.flush()
    expect(kernel.taken).toEqual([['a'], ['bbb'], ['ccc'], ['ddd']])
  })
})

describe('a kernel without free buffers', () => {
  it('is tried again with everything that it did not take, in order, before anything else leaves', () => {
    const { kernel, outbox } = sending('a', 'bb', 'ccc', 'ddd')
    kernel.script = [1, -EAGAIN]
    outbox.flush()
    expect([kernel.taken, outbox.isFull]).toEqual([[['a']], true])
    put(outbox, 'eee')
    outbox.flush()
    expect(kernel.taken).toEqual([['a']])
    kernel.script = [-EAGAIN]
    outbox.retry()
    expect(outbox.isFull).toBe(true)
    outbox.retry()
    expect(outbox.isFull).toBe(false)
    expect(kernel.taken.flat()).toEqual(['a', 'bb', 'ccc', 'ddd', 'eee'])
  })

  it('is given no more than a bound, and the rest is lost', () => {
    const { kernel, outbox } = sending()
    const text = 'x'.repeat(1350)
    kernel.script = Array.from({ length: 10 }, () => -EAGAIN)
    for (let index = 0; index < 1000; index += 1) put(outbox, text)
    outbox.flush()
    kernel.script = []
    for (let round = 0; round < 10 && outbox.isFull; round += 1) outbox.retry()
    const sent = kernel.taken.flat().length
    expect(sent * 1350).toBeLessThanOrEqual(2 * OUTGOING_BYTES)
    expect(sent).toBeGreaterThan(150)
  })
})

describe('a send error of the system', () => {
  it('about an earlier datagram costs none, since the refused one is sent again', () => {
    const { kernel, outbox } = sending('aa', 'bb')
    kernel.script = [-ECONNREFUSED]
    outbox.flush()
    expect(kernel.taken).toEqual([['aa', 'bb']])
    expect(kernel.refused).toEqual([`${ECONNREFUSED} `])
  })

  it('that stays costs the message that it is about, and no other', () => {
    const { kernel, outbox } = sending('a', 'bb')
    kernel.script = [-ENETUNREACH, -ENETUNREACH]
    outbox.flush()
    expect(kernel.taken).toEqual([['bb']])
    expect(kernel.refused).toEqual([`${ENETUNREACH} `])
  })

  it('that never ends does not loop', () => {
    const { kernel, outbox } = sending('a', 'bb', 'ccc')
    kernel.script = Array.from({ length: 100 }, () => -ENETUNREACH)
    outbox.flush()
    expect(kernel.calls).toBe(6)
    expect([kernel.taken, outbox.isFull]).toEqual([[], false])
  })
})

it('the datagrams in an outbox leave when the socket closes, and none afterwards', () => {
  const { kernel, outbox } = sending('a')
  outbox.close()
  put(outbox, 'b')
  outbox.flush()
  expect(kernel.taken).toEqual([['a']])
})

it('an arena never gives an address outside of its memory', () => {
  const { arena } = new Kernel()
  expect(() => arena.bytes(-1, 1)).toThrow(RangeError)
  expect(() => arena.bytes(0, 2 ** 40)).toThrow(RangeError)
  expect(() => arena.bytes(0.5, 1)).toThrow(RangeError)
  expect(() => arena.departureHeaders(1_000_000, 1)).toThrow(RangeError)
})
