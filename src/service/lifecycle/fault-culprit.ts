import { executionAsyncResource } from 'node:async_hooks'

/** What can be ended so that what is broken goes with it. */
interface Destroyable {
  destroy(): unknown
}

/**
 * Ends the socket in whose event something was thrown that nobody caught. While `uncaughtException` is
 * emitted the failed callback is still the one that Node executes, so that its resource (the handle of libuv)
 * is at hand; the handle has its socket under a symbol of Node's. There is no documented way from one to the
 * other: where it is not found, which is so for timers and promises too, the answer is undefined.
 */
export function endCulprit(resource: object = executionAsyncResource()): string | undefined {
  const owner = ownerOf(resource)
  if (!isDestroyable(owner)) return undefined
  const name = nameOf(owner)
  try {
    owner.destroy()
  } catch {
    return undefined
  }
  return name
}

function ownerOf(resource: object): unknown {
  const key = Object.getOwnPropertySymbols(resource).find(symbol => symbol.description === 'owner_symbol')
  return key === undefined ? undefined : Reflect.get(resource, key)
}

function isDestroyable(owner: unknown): owner is Destroyable {
  return (
    typeof owner === 'object' &&
    owner !== null &&
    'remoteAddress' in owner &&
    'destroy' in owner &&
    typeof owner.destroy === 'function'
  )
}

function nameOf(socket: object): string {
  const { remoteAddress, remotePort } = socket as { remoteAddress?: string; remotePort?: number } // as: a socket of node:net
  return remoteAddress === undefined
    ? 'a connection'
    : `the connection with ${remoteAddress} port ${remotePort}`
}
