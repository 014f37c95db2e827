import { createHash, randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import type { Clock } from '../base/clock.ts'
import { runtimeRoots } from '../base/default-roots.ts'
import { TransportError } from '../base/errors.ts'
import { checkNumbers } from '../base/options/check-options.ts'
import { DEFAULT_TICKET_STORE_OPTIONS, layered, type TicketStoreOptions } from '../base/options/options.ts'
import { DEFAULT_GLOBAL_LIMITS, type TransportOptions } from '../base/options/transport-options.ts'
import { OriginRecordStore, type OriginShelfConfig } from '../state/origin-record-store.ts'
import { SealedTicketStore } from '../state/sealed-ticket-store.ts'
import { FileStore } from '../state/store.ts'
import { TicketStore } from '../state/ticket-store.ts'

/** What a transport remembers beyond its connections. */
export interface OpenState {
  readonly tickets: TicketStore
  /** Undefined: nothing of origins outlives the process. */
  readonly shelf: OriginRecordStore | undefined
  /** Writes what has not been written yet. */
  flush(): void
}

interface OpenStateHooks {
  readonly clock: Clock
  /** Undefined: no records of origins are to be kept. */
  readonly origins: Pick<OriginShelfConfig, 'collect' | 'merge' | 'onLearned' | 'onWritten'> | undefined
  /** For people: what is kept cannot be used. */
  readonly onFault: (message: string) => void
}

/**
 * The memory of a transport, kept in a directory if the options name one. A directory that cannot be used is
 * a fault and no error: the transport works, and forgets when it ends. So is a key file of the operator's:
 * then tickets are forgotten, and origins are not. Throws MM_INVALID_ARGUMENT when one of them is no name at
 * all.
 */
export function openState(
  { tickets, state, limits }: Pick<TransportOptions, 'tickets' | 'state' | 'limits'>,
  { clock, origins, onFault }: OpenStateHooks,
): OpenState {
  const ticketOptions = layered(DEFAULT_TICKET_STORE_OPTIONS, tickets)
  checkTickets(ticketOptions)
  const forgetful: OpenState = { tickets: new TicketStore(ticketOptions), shelf: undefined, flush: () => {} }
  if (state === undefined) return forgetful
  const { directory, keyFile } = state
  if (typeof directory !== 'string' || directory === '') {
    throw new TransportError('MM_INVALID_ARGUMENT', 'state.directory must name a directory')
  }
  if (keyFile !== undefined && (typeof keyFile !== 'string' || keyFile === '')) {
    throw new TransportError('MM_INVALID_ARGUMENT', 'state.keyFile must name a file')
  }
  const store = attempt(() => new FileStore(directory, keyFile), onFault, 'the state directory')
  if (store === undefined) return forgetful
  // An operator's key that is of no use is reported now, once, and not with the first connection; what others
  // have kept under it stays.
  const hasKey = keyFile === undefined || attempt(() => store.key(), onFault, 'state.keyFile') !== undefined
  const vault = new SealedTicketStore({
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
    origins && records && new OriginRecordStore({ store: records, clock, maxOrigins, ...origins, onFault })
  return {
    tickets: hasKey ? new TicketStore(ticketOptions, keeping) : forgetful.tickets,
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

/** No client may keep a ticket for longer (RFC 8446 4.6.1). */
const MAX_LIFETIME_MS = 7 * 86_400_000

function checkTickets(options: TicketStoreOptions): void {
  const { maxLifetimeMs } = checkNumbers('tickets', options)
  if (maxLifetimeMs <= MAX_LIFETIME_MS) return
  throw new TransportError(
    'MM_INVALID_ARGUMENT',
    `tickets.maxLifetimeMs must be at most ${MAX_LIFETIME_MS}: no ticket lives longer than seven days`,
  )
}

/** What tells OpenSSL and Node where to find authorities, beside the options of an origin. */
const PLACES = ['SSL_CERT_FILE', 'SSL_CERT_DIR'] as const
const FLAGS = /--use-(?:openssl|bundled|system)-ca/g

/**
 * What the runtime itself trusts, as a hash. Within a process it does not change, so that peer keys leave it
 * out; tickets that outlive the process must not meet another one, in which the certificate that vouches for
 * them would not be accepted.
 */
export function runtimeTrust(
  environment: NodeJS.ProcessEnv = process.env,
  flags: readonly string[] = process.execArgv,
  authorities: readonly string[] | undefined = runtimeRoots(),
): string {
  const extra = environment['NODE_EXTRA_CA_CERTS']
  const chosen = [...flags, environment['NODE_OPTIONS'] ?? ''].join(' ').match(FLAGS)
  const parts = [
    process.version, // the built-in list of authorities comes with Node
    extra === undefined || extra === '' ? null : contents(extra),
    chosen,
    authorities ?? null, // a program may replace it, from Node 22.19 and 24.5 on; after this is not seen
    ...PLACES.map(name => environment[name] ?? null),
  ]
  return createHash('sha256').update(JSON.stringify(parts)).digest('base64url')
}

/** Node warns of a file that it cannot read, and goes on without it; so do we. */
function contents(file: string): string {
  try {
    return createHash('sha256').update(readFileSync(file)).digest('base64url')
  } catch {
    return ''
  }
}
