import type { Clock } from '../clock.ts'
import type { TransportOptions } from './api.ts'
import { type OpenState, openState } from './open-state.ts'

export type OpenTickets = Pick<OpenState, 'tickets' | 'flush'>

/** The memory of a transport that keeps no records of origins: see openState. */
export function openTickets(
  options: Pick<TransportOptions, 'tickets' | 'state'>,
  clock: Clock,
  onFault: (message: string) => void,
): OpenTickets {
  return openState(options, { clock, origins: undefined, onFault })
}
