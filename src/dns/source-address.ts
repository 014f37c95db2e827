import { createSocket } from 'node:dgram'
import { guardedListener } from '../base/guard.ts'
import type { ResolvedAddress } from '../base/http/endpoint.ts'
import { lookUpLiteral } from './client/literal-lookup.ts'
import { orderDestinations, type RoutedAddress } from './destination-order.ts'

/** Beyond that nobody tries them all; they stay where they are. */
const MAX_ORDERED = 16
/** The port does not matter: nothing is sent. */
const DISCARD_PORT = 9
const DURING = 'asking for a source address'

/**
 * Addresses in the order of RFC 6724, by the routes of this machine. Of one IPv4 network nothing is asked:
 * the order of the answer is the servers' own, who share load by it.
 */
export async function orderByRoutes(
  addresses: readonly ResolvedAddress[],
): Promise<readonly ResolvedAddress[]> {
  if (addresses.length < 2 || addresses.every(({ family }) => family === 4)) return addresses
  const routed = await Promise.all(addresses.slice(0, MAX_ORDERED).map(withSource))
  return [...orderDestinations(routed), ...addresses.slice(MAX_ORDERED)]
}

/** A datagram socket that is connected sends nothing, and reports which address it would send from. */
function withSource(destination: ResolvedAddress): Promise<RoutedAddress<ResolvedAddress>> {
  return new Promise(resolve => {
    const socket = createSocket({ type: destination.family === 6 ? 'udp6' : 'udp4', lookup: lookUpLiteral })
    socket.unref()
    let isOver = false
    const settle = (source: string | undefined): void => {
      if (isOver) return
      isOver = true
      resolve({ destination, source })
      socket.close()
    }
    const settleUnknown = (): void => settle(undefined)
    const onConnected = (error?: Error | null): void => {
      // A zone is part of a link-local address.
      settle(error === undefined || error === null ? socket.address().address.replace(/%.*$/, '') : undefined)
    }
    socket.on('error', guardedListener(DURING, settleUnknown, settleUnknown))
    socket.connect(DISCARD_PORT, destination.address, guardedListener(DURING, onConnected, settleUnknown))
  })
}
