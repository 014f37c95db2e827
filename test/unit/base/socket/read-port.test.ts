import { EventEmitter } from 'node:events'
import type { Socket } from 'node:net'
import { describe, expect, it } from 'vitest'
import type { TransportError } from '../../../../src/base/errors.ts'
import { ReadPort } from '../../../../src/base/socket/read-port.ts'
import { collectFaults, DEFECT, fail } from '../../../support/collected-faults.ts'

/**
 * Does what Node does for one read: fills the buffer that it holds, calls back, and asks for the next one.
 */
class NodeReads {
  readonly port: ReadPort
  held: Buffer

  constructor(port: ReadPort) {
    this.port = port
    this.held = port.onread.buffer()
  }

  read(byteCount: number, fill: number): boolean {
    const { held } = this
    held.fill(fill, 0, byteCount)
    const goesOn = this.port.onread.callback(byteCount, held)
    this.held = this.port.onread.buffer()
    return goesOn
  }
}

/** A port whose reader keeps what comes. */
function keeping(): { node: NodeReads; kept: Buffer[]; lent: Buffer[] } {
  const port = new ReadPort()
  const kept: Buffer[] = []
  const lent: Buffer[] = []
  port.attach({
    onFault: () => {},
    onRead: (buffer, start, end) => {
      const chunk = buffer.subarray(start, end)
      lent.push(chunk)
      kept.push(port.keep(chunk))
      return true
    },
  })
  return { node: new NodeReads(port), kept, lent }
}

describe('ReadPort', () => {
  it('shares one buffer among all sockets that keep nothing large', () => {
    const a = new NodeReads(new ReadPort())
    const b = keeping().node
    b.read(100, 1)
    expect(b.held).toBe(a.held)
  })

  it('never gives the shared buffer away', () => {
    const { node, kept, lent } = keeping()
    const other = new NodeReads(new ReadPort())
    node.read(65_536, 1)
    expect(kept[0]?.buffer).not.toBe(lent[0]?.buffer)
    other.held.fill(9)
    expect(kept[0]?.every(byte => byte === 1)).toBe(true)
  })

  it('gives large chunks away without a copy once the reader has shown that it keeps them', () => {
    const { node, kept, lent } = keeping()
    node.read(65_536, 1)
    node.read(60_000, 2)
    node.read(60_000, 3)
    expect(kept[1]?.buffer).toBe(lent[1]?.buffer)
    expect(kept.map(chunk => chunk[0])).toEqual([1, 2, 3])
    expect(kept.map(chunk => chunk.at(-1))).toEqual([1, 2, 3])
  })

  it('copies small chunks, and returns to the shared buffer with them', () => {
    const { node, kept, lent } = keeping()
    const shared = node.held
    node.read(65_536, 1)
    expect(node.held).not.toBe(shared)
    node.read(16_384, 2)
    expect(node.held).toBe(shared)
    expect(kept[1]?.buffer).not.toBe(lent[1]?.buffer)
  })

  it('keeps several chunks of one read intact', () => {
    const port = new ReadPort()
    const kept: Buffer[] = []
    port.attach({
      onFault: () => {},
      onRead: (buffer, _start, end) => {
        kept.push(
          port.keep(buffer.subarray(0, 100)),
          port.keep(buffer.subarray(100, 40_000)),
          port.keep(buffer.subarray(40_000, end)),
        )
        return true
      },
    })
    const node = new NodeReads(port)
    for (let round = 1; round <= 3; round++) node.read(65_536, round)
    expect(kept.map(chunk => [chunk.length, chunk[0], chunk.at(-1)])).toEqual(
      [1, 2, 3].flatMap(round => [100, 39_900, 25_536].map(length => [length, round, round])),
    )
  })

  it('holds what comes before there is a reader, and stops the socket', () => {
    const port = new ReadPort()
    const node = new NodeReads(port)
    expect(node.read(3, 0x61)).toBe(false)
    expect(node.read(2, 0x62)).toBe(false)
    port.attach({ onRead: () => true, onFault: () => {} })
    expect(port.takeEarly()?.toString()).toBe('aaabb')
    expect(port.takeEarly()).toBeUndefined()
  })

  it('passes on whether the reader wants more', () => {
    const port = new ReadPort()
    port.attach({ onRead: () => false, onFault: () => {} })
    expect(new NodeReads(port).read(1, 0)).toBe(false)
  })

  it('ends its reader when that throws, and reports it', () => {
    const heard = collectFaults()
    const port = new ReadPort()
    const ended: TransportError[] = []
    port.attach({ onRead: fail, onFault: error => void ended.push(error) })
    expect(new NodeReads(port).read(1, 0)).toBe(false)
    expect(ended).toMatchObject([{ code: 'MM_INTERNAL', cause: DEFECT }])
    expect(heard()).toHaveLength(1)
  })

  it('reads a socket that was made without it by its data events', () => {
    let pauses = 0
    const socket = Object.assign(new EventEmitter(), { pause: () => void pauses++ })
    const port = ReadPort.over(socket as unknown as Socket)
    const seen: Buffer[] = []
    let kept: Buffer | undefined
    port.attach({
      onFault: () => {},
      onRead: (buffer, start, end) => {
        const chunk = buffer.subarray(start, end)
        seen.push(chunk)
        kept = port.keep(chunk)
        return seen.length < 2
      },
    })
    const chunk = Buffer.alloc(50_000, 1)
    socket.emit('data', chunk)
    expect([seen[0]?.length, pauses]).toEqual([50_000, 0])
    expect(kept?.buffer).toBe(chunk.buffer)
    socket.emit('data', Buffer.alloc(10))
    expect(pauses).toBe(1)
  })
})
