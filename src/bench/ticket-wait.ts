/**
 * Servers send a ticket behind the handshake: a few round trips of the longest way that is measured. So long
 * a client waits for it before it closes.
 */
export const TICKET_WAIT_MS = 250

/**
 * How many clients may wait for tickets at a time in an open loop: twice as many as do so on average, and
 * some, since requests come at random times. Beyond that they hold up those that are due.
 */
export function mostWaitingForTickets(perSecond: number): number {
  return 8 + Math.ceil((2 * perSecond * TICKET_WAIT_MS) / 1000)
}
