import { TransportError } from '../../base/errors.ts'
import { checkNumber } from '../../base/options/check-options.ts'
import {
  DEFAULT_STICKY_MS,
  type EgressOptions,
  MAX_LOCAL_ADDRESSES,
  MAX_PROXIES,
  type ProxyServer,
  parseProxyUrl,
} from '../../base/options/egress-options.ts'
import { isPrefix, type LocalRange, parseLocalRange } from '../../base/options/local-range.ts'
import type { TlsOptions } from '../../base/options/options.ts'
import { DEFAULT_UDP_TEMPLATE, UdpTemplate } from '../../masque/udp-template.ts'

/** A way out, with nothing left to default. */
export type EgressSettings = ProxyEgress | AddressEgress

export interface ProxyEgress {
  readonly kind: 'proxies'
  readonly name: string
  readonly proxies: readonly ProxyServer[]
  readonly stickyMs: number
  readonly ca: string | readonly string[] | undefined
  /** How proxies are asked for tunnels of UDP (RFC 9298). */
  readonly udpTemplate: string
}

export interface AddressEgress {
  readonly kind: 'addresses'
  readonly name: string
  readonly addresses: readonly LocalRange[]
  readonly stickyMs: number
}

const TRUST = new WeakMap<ProxyEgress, TlsOptions>()

/** Whom `https` proxies are verified by; always the same object, which secure contexts are kept by. */
export function trustIn(egress: ProxyEgress): TlsOptions {
  const known = TRUST.get(egress) ?? (egress.ca === undefined ? {} : { ca: egress.ca })
  TRUST.set(egress, known)
  return known
}

/** Connections go through proxies, and nothing goes directly. */
export function isProxied({ egress }: { readonly egress: EgressSettings | undefined }): boolean {
  return egress?.kind === 'proxies'
}

/** A proxy that may take tunnels for UDP (RFC 9298), and carries many of them over one connection. */
export function isPooled(proxy: ProxyServer): proxy is ProxyServer & { readonly kind: 'h2' | 'h3' } {
  return proxy.kind === 'h2' || proxy.kind === 'h3'
}

/** Its proxies carry TCP only, whatever they are asked for. */
export function carriesTcpOnly({ egress }: { readonly egress: EgressSettings | undefined }): boolean {
  return egress?.kind === 'proxies' && !egress.proxies.some(isPooled)
}

/** Sockets may be bound to addresses that this machine does not have, which takes native calls. */
export function leavesFromPrefix({ egress }: { readonly egress: EgressSettings | undefined }): boolean {
  return egress?.kind === 'addresses' && egress.addresses.some(isPrefix)
}

/** Throws MM_INVALID_ARGUMENT, with the place of what makes no sense and without what may be secret. */
export function egressSettings(
  options: Readonly<Record<string, EgressOptions>>,
): ReadonlyMap<string, EgressSettings> {
  const ways = new Map<string, EgressSettings>()
  for (const [name, egress] of Object.entries(options)) ways.set(name, settingsOf(name, egress))
  return ways
}

function settingsOf(
  name: string,
  { addresses, proxies, stickyMs = DEFAULT_STICKY_MS, ca, udpTemplate }: EgressOptions,
): EgressSettings {
  checkNumber(`egress.${name}.stickyMs`, stickyMs)
  if ((addresses === undefined) === (proxies === undefined))
    throw refused(`egress.${name} must have proxies or addresses${proxies === undefined ? '' : ', not both'}`)
  if (addresses !== undefined) {
    if (ca !== undefined) throw refused(`egress.${name}.ca is for proxies, and there are none`)
    if (udpTemplate !== undefined)
      throw refused(`egress.${name}.udpTemplate is for proxies, and there are none`)
    return { kind: 'addresses', name, addresses: rangesOf(name, addresses), stickyMs }
  }
  const servers = listed(`egress.${name}.proxies`, proxies, MAX_PROXIES, 'URLs', parseProxyUrl)
  const template = UdpTemplate.parse(udpTemplate ?? DEFAULT_UDP_TEMPLATE)
  if (typeof template === 'string') throw refused(`egress.${name}.udpTemplate ${template}`)
  return { kind: 'proxies', name, proxies: servers, stickyMs, ca, udpTemplate: template.text }
}

function rangesOf(name: string, addresses: unknown): LocalRange[] {
  const place = `egress.${name}.addresses`
  const ranges = listed(place, addresses, MAX_LOCAL_ADDRESSES, 'addresses', parseLocalRange)
  const twice = ranges.find((range, index) => ranges.findIndex(other => other.name === range.name) !== index)
  if (twice !== undefined) throw refused(`${place} has ${twice.name} twice`)
  return ranges
}

function listed<T>(place: string, list: unknown, max: number, what: string, parse: (text: string) => T): T[] {
  if (!Array.isArray(list) || list.length === 0 || list.length > max)
    throw refused(`${place} must be a list of 1 to ${max} ${what}`)
  return list.map((text: unknown, index) => {
    try {
      return parse(String(text))
    } catch (error) {
      throw refused(`${place}[${index}]: ${error instanceof Error ? error.message : String(error)}`)
    }
  })
}

function refused(message: string): TransportError {
  return new TransportError('MM_INVALID_ARGUMENT', message)
}
