import { TransportError } from '../../base/errors.ts'
import { type Origin, parseOrigin } from '../../base/http/origin.ts'
import type { TransportOptions } from '../../base/options/transport-options.ts'

/** A host name, or one with `*` for the left-most labels. */
const PUBLIC_HOST = /^(?:\*\.)?[a-z0-9_-]+(?:\.[a-z0-9_-]+)*$/i
const ABSOLUTE = /^(?:https?:)?\/\//i

/**
 * Whom a hint may mean: the origins that the options name, by their URL, and by the hosts under which clients
 * know them (`publicHosts`). Any other target is nothing to connect to.
 */
export class HintedOrigins {
  readonly #byKey = new Map<string, Origin>()
  readonly #byHost = new Map<string, Origin>()
  /** By suffix with its leading dot: `.example`. */
  readonly #bySuffix = new Map<string, Origin>()

  /** Throws MM_INVALID_ARGUMENT for what is no host or no URL. */
  constructor({ origins = {}, publicHosts = {} }: Pick<TransportOptions, 'origins' | 'publicHosts'>) {
    for (const url of Object.keys(origins)) {
      const origin = parseOrigin(url)
      this.#byKey.set(origin.key, origin)
    }
    for (const [host, url] of Object.entries(publicHosts)) {
      if (!PUBLIC_HOST.test(host)) {
        const message = `publicHosts must be named by host, such as a.example or *.example, not ${JSON.stringify(host)}`
        throw new TransportError('MM_INVALID_ARGUMENT', message)
      }
      const name = host.toLowerCase()
      if (name.startsWith('*.')) this.#bySuffix.set(name.slice(1), parseOrigin(url))
      else this.#byHost.set(name, parseOrigin(url))
    }
  }

  /** A response of an origin can mean another one. */
  get hasSeveral(): boolean {
    return this.#byKey.size > 1
  }

  /** `scheme`: of a target that names none. A path alone is the origin itself, which is connected to. */
  find(target: string, scheme: Origin['scheme']): Origin | undefined {
    if (!ABSOLUTE.test(target)) return undefined
    let named: Origin
    try {
      named = parseOrigin(target.startsWith('/') ? `${scheme}:${target}` : target)
    } catch {
      return undefined
    }
    const { key, host } = named
    return this.#byKey.get(key) ?? this.#byHost.get(host) ?? this.#findBySuffix(host)
  }

  /** The longest one that fits. */
  #findBySuffix(host: string): Origin | undefined {
    if (this.#bySuffix.size === 0) return undefined
    for (let dot = host.indexOf('.', 1); dot !== -1; dot = host.indexOf('.', dot + 1)) {
      const origin = this.#bySuffix.get(host.slice(dot))
      if (origin !== undefined) return origin
    }
    return undefined
  }
}
