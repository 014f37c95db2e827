import type { HandshakeInfo } from '../../src/entry/events.ts'
import type { OriginOptions, Protocol } from '../../src/index.ts'

/** One request over a connection that was not there before. The answer is a short text. */
export type FirstByteJob =
  /** Through our transport; the one of that name is kept, with its tickets, for all of its jobs. */
  | {
      kind: 'transport'
      name: string
      url: string
      options: OriginOptions
      /** Without: nothing is ever resumed. */
      keepsTickets: boolean
    }
  /** Through a proxy on 127.0.0.1 that speaks cleartext HTTP/1.1. */
  | { kind: 'proxy'; port: number; authority: string; path: string }
  /** No request: how long TCP takes to connect. */
  | { kind: 'connect'; address: string; port: number }

export interface FirstByteReport {
  /** From the call to the head of the response; of a connect to its end. */
  readonly ms: number
  /** 0: there was none. */
  readonly status: number
  readonly body: string
  /** Ours only. */
  readonly protocol: Protocol | undefined
  readonly handshake: Omit<HandshakeInfo, 'attempts'> | undefined
}

export interface FirstByteSetting {
  /** PEM. */
  readonly ca: string
  /** As a transport takes it. */
  readonly resolve: Readonly<Record<string, string>>
}
