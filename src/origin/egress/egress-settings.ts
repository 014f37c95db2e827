import { TransportError } from '../../base/errors.ts'
import { checkNumber } from '../../base/options/check-options.ts'
import {
  DEFAULT_STICKY_MS,
  type EgressOptions,
  MAX_PROXIES,
  type ProxyServer,
  parseProxyUrl,
} from '../../base/options/egress-options.ts'
import type { TlsOptions } from '../../base/options/options.ts'

/** A way out, with nothing left to default. */
export interface EgressSettings {
  readonly name: string
  readonly proxies: readonly ProxyServer[]
  readonly stickyMs: number
  readonly ca: string | readonly string[] | undefined
}

/** Until there is CONNECT-UDP (RFC 9298) here. */
export const NO_HTTP3_THROUGH_PROXY = 'not tried through a proxy: a tunnel carries TCP only'

const TRUST = new WeakMap<EgressSettings, TlsOptions>()

/** Whom `https` proxies are verified by; always the same object, which secure contexts are kept by. */
export function trustIn(egress: EgressSettings): TlsOptions {
  const known = TRUST.get(egress) ?? (egress.ca === undefined ? {} : { ca: egress.ca })
  TRUST.set(egress, known)
  return known
}

/** Throws MM_INVALID_ARGUMENT, with the place of what makes no sense and without what may be secret. */
export function egressSettings(
  options: Readonly<Record<string, EgressOptions>>,
): ReadonlyMap<string, EgressSettings> {
  const ways = new Map<string, EgressSettings>()
  for (const [name, { proxies, stickyMs = DEFAULT_STICKY_MS, ca }] of Object.entries(options)) {
    if (!Array.isArray(proxies) || proxies.length === 0 || proxies.length > MAX_PROXIES)
      throw refused(`egress.${name}.proxies must be a list of 1 to ${MAX_PROXIES} URLs`)
    checkNumber(`egress.${name}.stickyMs`, stickyMs)
    const servers = proxies.map((url: unknown, index) => parsed(url, `egress.${name}.proxies[${index}]`))
    ways.set(name, { name, proxies: servers, stickyMs, ca })
  }
  return ways
}

function parsed(url: unknown, place: string): ProxyServer {
  try {
    return parseProxyUrl(String(url))
  } catch (error) {
    throw refused(`${place}: ${error instanceof Error ? error.message : String(error)}`)
  }
}

function refused(message: string): TransportError {
  return new TransportError('MM_INVALID_ARGUMENT', message)
}
