import { randomBytes } from 'node:crypto'
import type { Clock } from '../clock.ts'
import { TransportError } from '../errors.ts'
import { OriginShelf, type OriginShelfConfig } from '../memory/origin-shelf.ts'
import { FileStore } from '../memory/store.ts'
import { TicketStore } from '../memory/ticket-store.ts'
import { TicketVault } from '../memory/ticket-vault.ts'
import { DEFAULT_GLOBAL_LIMITS, DEFAULT_TICKET_STORE_OPTIONS } from '../options.ts'
import type { TransportOptions } from './api.ts'
import { runtimeTrust } from './runtime-trust.ts'

/** What a transport remembers beyond its connections. */
export interface OpenState {
  readonly tickets: TicketStore
  /** Undefined: nothing of origins outlives the process. */
  readonly shelf: OriginShelf | undefined
  /** Writes what has not been written yet. */
  flush(): void
}

export interface OpenStateHooks {
  readonly clock: Clock
  /** Undefined: no records of origins are to be kept. */
  readonly origins: Pick<OriginShelfConfig, 'collect' | 'merge' | 'onLearned'> | undefined
  /** For people: what is kept cannot be used. */
  readonly onFault: (message: string) => void
}

/**
 * The memory of a transport, kept in a directory if the options name one. A directory that cannot be used is a fault and no error: the
 * transport works, and forgets when it ends. Throws MM_INVALID_ARGUMENT when it is no name at all.
 */
export function openState(
  { tickets, state, limits }: Pick<TransportOptions, 'tickets' | 'state' | 'limits'>,
  { clock, origins, onFault }: OpenStateHooks,
): OpenState {
  const forgetful: OpenState = { tickets: new TicketStore(tickets), shelf: undefined, flush: () => {} }
  if (state === undefined) return forgetful
  const { directory } = state
  if (typeof directory !== 'string' || directory === '') {
    throw new TransportError('MM_INVALID_ARGUMENT', 'state.directory must name a directory')
  }
  const store = attempt(() => new FileStore(directory), onFault, 'the state directory')
  if (store === undefined) return forgetful
  const vault = new TicketVault({
    store,
    clock,
    maxPeers: tickets?.maxPeers ?? DEFAULT_TICKET_STORE_OPTIONS.maxPeers,
    context: runtimeTrust(),
    randomBytes: count => randomBytes(count),
    onFault,
  })
  const keeping = { keeper: vault, calendar: () => Date.now(), now: () => clock.now() }
  const records =
    origins && attempt(() => store.openOrigins(), onFault, 'the origins directory of the state directory')
  // 0 in the limits means that there is none; a directory needs one.
  const maxOrigins = Math.max(limits?.maxOrigins ?? 0, DEFAULT_GLOBAL_LIMITS.maxOrigins)
  const shelf =
    origins && records && new OriginShelf({ store: records, clock, maxOrigins, ...origins, onFault })
  return {
    tickets: new TicketStore(tickets, keeping),
    shelf,
    flush: () => {
      vault.flush()
      shelf?.flush()
    },
  }
}

function attempt<T>(open: () => T, onFault: (message: string) => void, what: string): T | undefined {
  try {
    return open()
  } catch (error) {
    onFault(`${what} cannot be used: ${error instanceof Error ? error.message : String(error)}`)
    return undefined
  }
}
