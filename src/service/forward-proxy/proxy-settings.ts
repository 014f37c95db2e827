import type { OriginOptions } from '../../index.ts'
import { DEFAULT_UDP_TEMPLATE } from '../../masque/udp-template.ts'
import type { AllowEntry } from './allow-list.ts'
import type { ProxyUser } from './proxy-users.ts'

/** A route whose requests name their origins themselves. */
export interface ForwardSettings {
  readonly allow: readonly AllowEntry[]
  /** Networks that are let through though they are private. */
  readonly allowPrivate: readonly string[]
  /** Undefined: who reaches the listener may use it. */
  readonly auth: ForwardAuthSettings | undefined
  /** Origins at once, each with pools of its own. */
  readonly maxOrigins: number
  /** Of all of them together; undefined: as many as those that are configured have. */
  readonly maxConnections: number | undefined
  readonly maxTunnels: number
  /** A tunnel that carries nothing for so long is ended. 0: none is. */
  readonly tunnelIdleMs: number
  /** Where CONNECT-UDP is taken (RFC 9298 2). */
  readonly udpTemplate: string
  /** As tunnelIdleMs, of tunnels for UDP. */
  readonly udpIdleMs: number
  /** Of what waits for a client that takes datagrams as part of a stream; more is dropped. */
  readonly udpQueueBytes: number
  /** What those origins have, `defaults` included. */
  readonly options: OriginOptions
}

interface ForwardAuthSettings {
  readonly users: readonly ProxyUser[]
  /** What clients show to who is to enter a password. */
  readonly realm: string
}

export const DEFAULT_FORWARD: Pick<
  ForwardSettings,
  'maxOrigins' | 'maxTunnels' | 'tunnelIdleMs' | 'udpTemplate' | 'udpIdleMs' | 'udpQueueBytes'
> & {
  readonly realm: string
} = {
  maxOrigins: 1_000,
  maxTunnels: 1_000,
  tunnelIdleMs: 600_000,
  udpTemplate: DEFAULT_UDP_TEMPLATE,
  // RFC 4787 4.3: at the least.
  udpIdleMs: 120_000,
  udpQueueBytes: 131_072,
  realm: 'middlemile',
}

/** Options of an origin laid over those of all, group by group, as a transport does it. */
export function layeredOptions(defaults: OriginOptions, own: OriginOptions): OriginOptions {
  const layered: Record<string, unknown> = { ...defaults }
  for (const [name, value] of Object.entries(own)) {
    const below = layered[name]
    layered[name] = isGroup(value) && isGroup(below) ? { ...below, ...value } : value
  }
  return layered
}

function isGroup(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
