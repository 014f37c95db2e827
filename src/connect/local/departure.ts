import { networkInterfaces } from 'node:os'
import type { Clock } from '../../base/clock.ts'
import { TransportError } from '../../base/errors.ts'
import { type Endpoint, formatEndpoint } from '../../base/http/endpoint.ts'
import type { LocalAddress } from '../native/descriptor-socket.ts'
import type { PortBudget, PortLease } from './port-budget.ts'

/** Where the connections of an origin leave from, and the local ports that they take. */
export interface Departures {
  /** From where the next connect would leave; no port is taken for it. */
  next(endpoint: Endpoint): Pick<Departure, 'local' | 'place'>
  /** For a connect that begins now. An error: it cannot be made, from nowhere. */
  leave(endpoint: Endpoint): Departure | TransportError
}

/** Where one connection leaves from. */
export interface Departure {
  /** Undefined: the kernel chooses. */
  readonly local: LocalAddress | undefined
  /**
   * For the key of tickets: those that came to one local address are not shown from another, since they would
   * tell the peer that both are us. Undefined: there is one only.
   */
  readonly place: string | undefined
  readonly port: PortLease
  onConnected(): void
  /** It failed for this: an error that says so, and whether another connect may leave from elsewhere. */
  onFailed(fault: LocalFault): { readonly error: TransportError; readonly mayLeaveAgain: boolean }
}

/** `gone`: this machine does not have the address. `no-port`: no port is free from there to the peer. */
export type LocalFault = 'gone' | 'no-port'

/** What of the failure of a connect speaks of where it left from. */
export function localFaultOf(cause: unknown): LocalFault | undefined {
  if (!(cause instanceof Error && 'code' in cause && 'syscall' in cause)) return undefined
  const { code, syscall } = cause
  if (code === 'EADDRINUSE') return 'no-port'
  if (code === 'EADDRNOTAVAIL') return syscall === 'bind' ? 'gone' : 'no-port'
  // Of a UDP socket that connect(2) is to find a port for.
  return code === 'EAGAIN' && syscall === 'connect' ? 'no-port' : undefined
}

const ANYWHERE: Pick<Departure, 'local' | 'place'> = { local: undefined, place: undefined }

/** Whether the connect has not left this machine. */
export function isOfDeparture({ code }: TransportError): boolean {
  return code === 'MM_PORTS_EXHAUSTED' || code === 'MM_LOCAL_ADDRESS'
}

/** Connections leave from where the kernel lets them. */
export class DirectDepartures implements Departures {
  readonly #ports: PortBudget
  readonly #clock: Clock

  constructor(ports: PortBudget, clock: Clock) {
    this.#ports = ports
    this.#clock = clock
  }

  next(): Pick<Departure, 'local' | 'place'> {
    return ANYWHERE
  }

  leave(endpoint: Endpoint): Departure | TransportError {
    const { transport } = endpoint
    // A UDP port is taken before its socket has a peer.
    const remote = transport === 'tcp' ? formatEndpoint(endpoint) : ''
    const port = this.#ports.take({ transport, local: '', remote }, this.#clock.now())
    if (port instanceof TransportError) return port
    return {
      ...ANYWHERE,
      port,
      onConnected() {},
      onFailed: () => {
        const error = noPortError(endpoint, 'from this machine')
        if (error.code === 'MM_PORTS_EXHAUSTED') port.onRefused(this.#clock.now())
        return { error, mayLeaveAgain: false }
      },
    }
  }
}

/**
 * The kernel says EADDRNOTAVAIL both where no port is left and where there is no address to leave from.
 * `from`: from where it was to be.
 */
export function noPortError(endpoint: Endpoint, from: string): TransportError {
  const { family } = endpoint
  const at = formatEndpoint(endpoint)
  if (!hasFamily(family)) {
    const message = `${at} this machine has no IPv${family} address to leave from (EADDRNOTAVAIL)`
    return new TransportError('MM_LOCAL_ADDRESS', message)
  }
  const message = `${at} no local port is free for a connection ${from}, as the kernel says`
  return new TransportError('MM_PORTS_EXHAUSTED', message)
}

function hasFamily(family: 4 | 6): boolean {
  return Object.values(networkInterfaces()).some(addresses =>
    addresses?.some(address => address.family === `IPv${family}`),
  )
}
