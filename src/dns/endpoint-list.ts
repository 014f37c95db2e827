import type { Clock, Timer } from '../base/clock.ts'
import type { Resolution, ResolvedAddress, Resolver } from '../base/http/endpoint.ts'

/**
 * How long the others are waited for when one endpoint has addresses: a name that nobody answers for does not
 * stop a dial to the rest.
 */
const OTHERS_WAIT_MS = 250

/**
 * The addresses of all endpoints of an origin, in the order of the list; those of one host name in the order
 * of the resolver. An endpoint that cannot be resolved is left out; where none can, the error of the first
 * counts.
 */
export function endpointListResolver(sources: readonly Resolver[], clock: Clock): Resolver {
  return {
    resolve: (host, signal) =>
      new Promise((resolve, reject) => {
        const found: (readonly ResolvedAddress[] | undefined)[] = sources.map(() => undefined)
        const errors: unknown[] = []
        let pending = sources.length
        let timer: Timer | undefined
        const settle = (): void => {
          const addresses = found.flatMap(some => some ?? [])
          const resolution: Resolution = { addresses, source: 'endpoints' }
          if (addresses.length > 0) resolve(resolution)
          else reject(errors.find(error => error !== undefined))
        }
        const onOne = (): void => {
          pending -= 1
          if (pending > 0) return
          timer?.cancel()
          settle()
        }
        for (const [index, source] of sources.entries())
          source
            .resolve(host, signal)
            .then(({ addresses }) => {
              timer ??= clock.setTimer(OTHERS_WAIT_MS, settle)
              found[index] = addresses
              onOne()
            })
            .catch((error: unknown) => {
              errors[index] = error
              onOne()
            })
      }),
  }
}
