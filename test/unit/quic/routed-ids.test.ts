import { randomBytes } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { newRoutedId, type Steering, socketOfId, steeringProgram } from '../../../src/quic/routed-ids.ts'

const MARK = 0xdead_beef

/** A classic BPF machine (Linux Documentation/networking/filter.rst), for what the program uses. */
function run(program: Buffer, packet: Buffer): number {
  const view = new DataView(program.buffer, program.byteOffset, program.length)
  let a = 0
  let x = 0
  for (let at = 0; at * 8 < program.length; at += 1) {
    const code = view.getUint16(at * 8, true)
    const [ifTrue, ifFalse] = [view.getUint8(at * 8 + 2), view.getUint8(at * 8 + 3)]
    const k = view.getUint32(at * 8 + 4, true)
    const jump = (holds: boolean): void => void (at += holds ? ifTrue : ifFalse)
    if (code === 0x30 || code === 0x20) {
      if (k + (code === 0x20 ? 4 : 1) > packet.length) return 0
      a = code === 0x20 ? packet.readUInt32BE(k) : packet.readUInt8(k)
    } else if (code === 0x07) x = a
    else if (code === 0xac) a = (a ^ x) >>> 0
    else if (code === 0x94) a %= k
    else if (code === 0x05) at += k
    else if (code === 0x15) jump(a === k)
    else if (code === 0x35) jump(a >= k)
    else if (code === 0x45) jump((a & k) !== 0)
    else if (code === 0x16) return a
    else if (code === 0x06) return k
    else throw new Error(`no such instruction: ${code}`)
  }
  throw new Error('the program has no end')
}

const short = (id: Buffer): Buffer => Buffer.concat([Buffer.of(0x40), id, randomBytes(30)])
const long = (id: Buffer): Buffer =>
  Buffer.concat([Buffer.of(0xc0, 0, 0, 0, 1, id.length), id, randomBytes(1200)])

describe('a connection id with the number of a socket', () => {
  it('reveals it to an owner of the key, and looks random to all others', () => {
    for (let socket = 0; socket < 256; socket += 1) {
      const id = newRoutedId({ mark: MARK, socket })
      expect(id).toHaveLength(16)
      expect(socketOfId(id, MARK)).toBe(socket)
      expect(socketOfId(id, MARK ^ 1)).toBeUndefined()
    }
    const firsts = new Set(Array.from({ length: 100 }, () => newRoutedId({ mark: MARK, socket: 3 })[8]))
    expect(firsts.size).toBeGreaterThan(50)
    expect(socketOfId(Buffer.alloc(8), MARK)).toBeUndefined()
    expect(socketOfId(randomBytes(16), MARK)).toBeUndefined()
  })
})

describe('the program that steers datagrams', () => {
  const steering: Steering = { mark: MARK, sockets: 5, targets: [1, 3, 4] }
  const program = steeringProgram(steering)

  it('sends a packet with an id of ours to the socket of the id, though it takes no new connections', () => {
    for (let socket = 0; socket < 5; socket += 1) {
      const id = newRoutedId({ mark: MARK, socket })
      expect([run(program, short(id)), run(program, long(id))]).toEqual([socket, socket])
    }
  })

  it('spreads first packets evenly over sockets that accept new connections, repetitions of one together', () => {
    const counts = new Map<number, number>()
    for (let round = 0; round < 3000; round += 1) {
      const id = randomBytes(8 + (round % 13))
      const first = run(program, long(id))
      expect(run(program, long(id))).toBe(first)
      counts.set(first, (counts.get(first) ?? 0) + 1)
    }
    expect(new Set(counts.keys())).toEqual(new Set([1, 3, 4]))
    for (const count of counts.values()) expect(Math.abs(count - 1000)).toBeLessThan(150)
  })

  it('trusts no number beyond the existing ones, and ends with any packet', () => {
    const beyond = newRoutedId({ mark: MARK, socket: 200 })
    expect([1, 3, 4]).toContain(run(program, short(beyond)))
    for (let bytes = 0; bytes < 60; bytes += 1) {
      const socket = run(program, randomBytes(bytes))
      expect(socket).toBeGreaterThanOrEqual(0)
      expect(socket).toBeLessThan(5)
    }
  })

  it('has room for as many sockets as a byte can number', () => {
    const targets = Array.from({ length: 256 }, (_, socket) => socket)
    const large = steeringProgram({ mark: MARK, sockets: 256, targets })
    expect(large.length / 8).toBeLessThan(4096) // BPF_MAXINSNS
    const id = newRoutedId({ mark: MARK, socket: 255 })
    expect([run(large, short(id)), run(large, long(id))]).toEqual([255, 255])
    const seen = new Set(Array.from({ length: 5000 }, () => run(large, long(randomBytes(8)))))
    expect(seen.size).toBe(256)
  })
})
