import type { Conditions, Direction } from './conditions.ts'
import type { PathTarget } from './open-path.ts'
import type { StreamCounts } from './stream-line.ts'
import type { UdpCounts } from './udp-relay.ts'

/** What the relays' process is asked. A path is named by the number that `open` answered. */
export type ImpairAsk =
  | { readonly kind: 'open'; readonly target: PathTarget }
  | { readonly kind: 'close'; readonly path: number }
  | {
      readonly kind: 'setConditions'
      readonly path: number
      readonly direction: Direction
      readonly conditions: Conditions
    }
  | { readonly kind: 'counts'; readonly path: number }
  | { readonly kind: 'rebind'; readonly path: number; readonly host?: string; readonly keepsOldMs: number }
  | { readonly kind: 'silence'; readonly path: number }

export interface ImpairQuestion {
  readonly id: number
  readonly ask: ImpairAsk
}

export type ImpairAnswer =
  | { readonly id: number; readonly kind: 'done'; readonly value: unknown }
  | { readonly id: number; readonly kind: 'failed'; readonly error: string }

export interface OpenedPath {
  readonly path: number
  readonly port: number
}

export interface PathCounts {
  readonly tcp: Readonly<Record<Direction, StreamCounts>>
  /** Undefined: no datagrams pass. */
  readonly udp: UdpCounts | undefined
}
