import type { Conditions, Direction } from './conditions.ts'
import type { WayTarget } from './open-way.ts'
import type { StreamCounts } from './stream-line.ts'
import type { UdpCounts } from './udp-relay.ts'

/** What the relays' process is asked. A way is named by the number that `open` answered. */
export type ImpairAsk =
  | { readonly kind: 'open'; readonly target: WayTarget }
  | { readonly kind: 'close'; readonly way: number }
  | {
      readonly kind: 'setConditions'
      readonly way: number
      readonly direction: Direction
      readonly conditions: Conditions
    }
  | { readonly kind: 'counts'; readonly way: number }
  | { readonly kind: 'rebind'; readonly way: number; readonly host?: string; readonly keepsOldMs: number }
  | { readonly kind: 'silence'; readonly way: number }

export interface ImpairQuestion {
  readonly id: number
  readonly ask: ImpairAsk
}

export type ImpairAnswer =
  | { readonly id: number; readonly kind: 'done'; readonly value: unknown }
  | { readonly id: number; readonly kind: 'failed'; readonly error: string }

export interface OpenedWay {
  readonly way: number
  readonly port: number
}

export interface WayCounts {
  readonly tcp: Readonly<Record<Direction, StreamCounts>>
  /** Undefined: no datagrams pass. */
  readonly udp: UdpCounts | undefined
}
