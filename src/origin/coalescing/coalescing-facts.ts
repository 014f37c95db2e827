import type { Connection } from '../../base/events/connection.ts'
import { MultiplexedConnection } from '../../http/multiplex/connection.ts'
import type { KnownFact } from '../../select/evidence/evidence.ts'
import type { CoalescingMissed } from './coalescing.ts'

export interface CoalescingFactsParts {
  readonly coalesce: 'auto' | 'never'
  /** Those that the origin has, and those of others that it is a guest of. */
  readonly connections: readonly Connection[]
  readonly guestsOf: (connection: MultiplexedConnection) => readonly string[]
  /** The last connection of another origin that was not to be had. */
  readonly missed: CoalescingMissed | undefined
  /** For how long it is kept from the connections of others since it has answered 421; 0: it is not. */
  readonly avoidedMs: number
}

/** Whose connections carry the requests of an origin, and whom its own ones carry, or why none does. */
export function coalescingFacts(parts: CoalescingFactsParts): KnownFact[] {
  const { coalesce, connections, guestsOf, missed, avoidedMs } = parts
  const facts = connections.flatMap((connection): KnownFact[] => {
    const { sharedBy, protocol, id } = connection
    const name = `${protocol}#${id}`
    if (sharedBy !== undefined)
      return [{ fact: `requests go over ${name} of ${sharedBy.owner}`, evidence: sharedBy.because }]
    const guests = connection instanceof MultiplexedConnection ? guestsOf(connection) : []
    if (guests.length === 0) return []
    const evidence = 'its address and certificate cover them'
    return [{ fact: `${name} carries requests of ${guests.join(', ')} as well`, evidence }]
  })
  if (coalesce === 'never')
    return [...facts, { fact: 'no connection is shared', evidence: 'coalesce is never' }]
  if (avoidedMs > 0) {
    const evidence = `it has answered 421; for ${Math.ceil(avoidedMs / 60_000)} min it has connections of its own`
    return [...facts, { fact: 'no connection of another origin is used', evidence }]
  }
  if (missed === undefined) return facts
  const fact = `a connection of ${missed.owner} is not used (${missed.reason})`
  return [...facts, { fact, evidence: missed.because }]
}
