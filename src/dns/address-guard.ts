import { TransportError } from '../base/errors.ts'
import type { Resolution, ResolvedAddress, Resolver } from '../base/http/endpoint.ts'
import { isHere } from '../base/local-addresses.ts'
import type { AddressGuardOptions } from '../base/options/address-guard-options.ts'
import { parseNetwork, withinNetworks } from './networks.ts'
import { specialUse } from './special-use.ts'

/**
 * Lets through what may be dialed of what a name, or a literal, stands for. It stands behind every resolver
 * of its transport, whatever that answers from, and what it lets through is what is dialed: nothing is looked
 * up in between, so that a name cannot stand for one address here and for another one there.
 */
export class AddressGuard {
  readonly #isAllowed: (address: string) => boolean
  readonly #refuse: AddressGuardOptions['refuse']
  readonly #present: () => ReadonlySet<string>

  /**
   * `present`: the addresses that this machine has now. Throws MM_INVALID_ARGUMENT for what is no network.
   */
  constructor({ allowPrivate = [], refuse }: AddressGuardOptions, present: () => ReadonlySet<string>) {
    const wrong = allowPrivate.find(text => parseNetwork(text) === undefined)
    if (wrong !== undefined)
      throw new TransportError(
        'MM_INVALID_ARGUMENT',
        `addressGuard.allowPrivate must list addresses and networks such as 10.0.0.0/8, not ${JSON.stringify(wrong)}`,
      )
    this.#isAllowed = withinNetworks(allowPrivate)
    this.#refuse = refuse
    this.#present = present
  }

  /**
   * The addresses that may be dialed; `port` is that of those that have none of their own. Throws
   * MM_ADDRESS_REFUSED when none is left.
   */
  admit(host: string, { addresses, source }: Resolution, port: number): Resolution {
    const present = this.#present()
    let refused: { readonly address: string; readonly because: string } | undefined
    const admitted = addresses.filter(resolved => {
      const because = this.#refusal(resolved, port, present)
      if (because !== undefined) refused ??= { address: resolved.address, because }
      return because === undefined
    })
    if (refused === undefined) return { addresses, source }
    if (admitted.length > 0) return { addresses: admitted, source }
    const { address, because } = refused
    const what = address === host ? address : `${host} is ${address}, and that`
    throw new TransportError('MM_ADDRESS_REFUSED', `${what} is not dialed: it is ${because}`)
  }

  /** A resolver whose answers are looked at. */
  over(resolver: Resolver, port: number): Resolver {
    return {
      resolve: async (host, signal) => this.admit(host, await resolver.resolve(host, signal), port),
    }
  }

  #refusal(
    { address, port }: ResolvedAddress,
    usualPort: number,
    present: ReadonlySet<string>,
  ): string | undefined {
    if (!this.#isAllowed(address)) {
      const use = specialUse(address) ?? (isHere(address, present) ? 'an address of this machine' : undefined)
      if (use !== undefined) return use
    }
    return this.#refuse?.(address, port ?? usualPort)
  }
}
