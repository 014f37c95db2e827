import type { Packet } from './packet-codec.ts'
import type { DropRule, Side } from './simulated-quic-pair.ts'

/** Exactly the n-th datagram of a side, from 0. */
export function dropNth(side: Side, n: number): DropRule {
  return (from, _packet, index) => from === side && index === n
}

/** The first `count` datagrams of a side that carry data of the stream. */
export function dropStream(side: Side, stream: number, count = Infinity): DropRule {
  let left = count
  return (from, packet) => from === side && carries(packet, stream) && left-- > 0
}

/** The datagram that carries this byte of the stream, the first time that it is sent. */
export function dropByte(side: Side, stream: number, byte: number): DropRule {
  let isLeft = true
  return (from, { frames }) => {
    const isIt =
      isLeft &&
      from === side &&
      frames.some(
        frame =>
          frame.type === 'stream' &&
          frame.stream === stream &&
          frame.offset <= byte &&
          byte < frame.offset + frame.data.length,
      )
    if (isIt) isLeft = false
    return isIt
  }
}

function carries({ frames }: Packet, stream: number): boolean {
  return frames.some(frame => frame.type === 'stream' && frame.stream === stream)
}
