import { randomBytes } from 'node:crypto'
import type { Clock } from '../clock.ts'
import { TransportError } from '../errors.ts'
import { FileStore } from '../memory/store.ts'
import { TicketStore } from '../memory/ticket-store.ts'
import { TicketVault } from '../memory/ticket-vault.ts'
import { DEFAULT_TICKET_STORE_OPTIONS } from '../options.ts'
import type { TransportOptions } from './api.ts'
import { runtimeTrust } from './runtime-trust.ts'

export interface OpenTickets {
  readonly tickets: TicketStore
  /** Writes what has not been written yet. */
  flush(): void
}

/**
 * The ticket store of a transport, kept in a directory if the options name one. A directory that cannot be used is a fault and no error: the
 * transport works, and forgets when it ends. Throws MM_INVALID_ARGUMENT when it is no name at all.
 */
export function openTickets(
  { tickets, state }: Pick<TransportOptions, 'tickets' | 'state'>,
  clock: Clock,
  onFault: (message: string) => void,
): OpenTickets {
  if (state === undefined) return { tickets: new TicketStore(tickets), flush: () => {} }
  const { directory } = state
  if (typeof directory !== 'string' || directory === '') {
    throw new TransportError('MM_INVALID_ARGUMENT', 'state.directory must name a directory')
  }
  try {
    const store = new FileStore(directory)
    const maxPeers = tickets?.maxPeers ?? DEFAULT_TICKET_STORE_OPTIONS.maxPeers
    const vault = new TicketVault({
      store,
      clock,
      maxPeers,
      context: runtimeTrust(),
      randomBytes: count => randomBytes(count),
      onFault,
    })
    const keeping = { keeper: vault, calendar: () => Date.now(), now: () => clock.now() }
    return { tickets: new TicketStore(tickets, keeping), flush: () => vault.flush() }
  } catch (error) {
    onFault(`the state directory cannot be used: ${error instanceof Error ? error.message : String(error)}`)
    return { tickets: new TicketStore(tickets), flush: () => {} }
  }
}
