/** The frames of the simulated engine: those of RFC 9000 19 that a connection on one path needs. */
export type Frame =
  | { readonly type: 'ack'; readonly ranges: readonly PacketRange[] }
  | { readonly type: 'ping' }
  /** What CRYPTO carries: the messages of handshake.ts as one stream of bytes. */
  | { readonly type: 'handshake'; readonly offset: number; readonly data: Buffer }
  | StreamFrame
  | { readonly type: 'reset'; readonly stream: number; readonly code: number; readonly finalBytes: number }
  | { readonly type: 'stop'; readonly stream: number; readonly code: number }
  | { readonly type: 'max-data'; readonly bytes: number }
  | { readonly type: 'max-stream-data'; readonly stream: number; readonly bytes: number }
  | { readonly type: 'max-streams'; readonly isBidirectional: boolean; readonly count: number }
  | { readonly type: 'datagram'; readonly data: Buffer }
  | {
      readonly type: 'close'
      readonly isApplication: boolean
      readonly code: number
      readonly reason: string
    }

export interface StreamFrame {
  readonly type: 'stream'
  readonly stream: number
  readonly offset: number
  readonly data: Buffer
  readonly isLast: boolean
}

/** Packet numbers, both included. */
export interface PacketRange {
  readonly first: number
  readonly last: number
}

/** Most of a STREAM or HANDSHAKE frame that is not data: type, three numbers of 8 bytes, the end. */
export const DATA_FRAME_OVERHEAD_BYTES = 26

/** For a trace: what it is and what tells it from others of its kind. */
export function describeFrame(frame: Frame): string {
  switch (frame.type) {
    case 'ack': {
      const ranges = frame.ranges.map(({ first, last }) => `${first}-${last}`)
      return `ack ${ranges.join(',')}`
    }
    case 'handshake':
      return `handshake ${frame.offset}+${frame.data.length}`
    case 'stream':
      return `stream ${frame.stream} ${frame.offset}+${frame.data.length}${frame.isLast ? ' last' : ''}`
    case 'reset':
      return `reset ${frame.stream} code ${frame.code} at ${frame.finalBytes}`
    case 'stop':
      return `stop ${frame.stream} code ${frame.code}`
    case 'max-data':
      return `max-data ${frame.bytes}`
    case 'max-stream-data':
      return `max-stream-data ${frame.stream} ${frame.bytes}`
    case 'max-streams':
      return `max-streams ${frame.isBidirectional ? 'bidirectional' : 'unidirectional'} ${frame.count}`
    case 'datagram':
      return `datagram ${frame.data.length}`
    case 'close':
      return `close ${frame.isApplication ? 'application' : 'transport'} ${frame.code}`
    default:
      return frame.type
  }
}
