import { X509Certificate } from 'node:crypto'
import type { Origin } from '../../index.ts'
import { formatListenAddress } from '../config/fields/listen-address.ts'
import type { ServiceSettings } from '../config/service-settings.ts'
import type { CertificateExpiry } from '../metrics/process-metrics.ts'

/** A listener as it is open. */
interface OpenListener {
  readonly address: string
  readonly port: number
  /** PEM; undefined: plain HTTP. */
  readonly certificate: string | undefined
}

/** When the certificates in use expire. `shownBy`: what origins showed, ms since 1970. */
export function certificateExpiries(
  { origins, transport: { origins: options } }: ServiceSettings,
  listeners: readonly OpenListener[],
  shownBy: (origin: Origin) => number | undefined,
): CertificateExpiry[] {
  const expiries: CertificateExpiry[] = []
  const add = (of: CertificateExpiry['of'], name: string, expiresAtSeconds: number | undefined): void => {
    if (expiresAtSeconds !== undefined) expiries.push({ of, name, expiresAtSeconds })
  }
  // TCP and UDP at one port have the same.
  const shown = new Map(
    listeners.map(({ address: host, port, certificate }) => [
      formatListenAddress({ host, port }),
      certificate,
    ]),
  )
  for (const [name, certificate] of shown) add('listener', name, expiryOf(certificate))
  for (const { name, origin } of origins) {
    const expiresAt = shownBy(origin)
    add('origin', name, expiresAt === undefined ? undefined : expiresAt / 1000)
    add('origin_client', name, expiryOf(options?.[origin.key]?.tls?.cert))
  }
  return expiries
}

/** Of the first certificate in a PEM, the one of the chain that is ours. */
function expiryOf(pem: string | Buffer | undefined): number | undefined {
  if (pem === undefined) return undefined
  try {
    return Date.parse(new X509Certificate(pem).validTo) / 1000
  } catch {
    return undefined // checked when it was read
  }
}
