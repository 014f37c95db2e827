import { X509Certificate } from 'node:crypto'
import { originUrl } from '../../entry/dispatch.ts'
import type { Origin } from '../../index.ts'
import { indexedCertificate } from '../../ingress/tls/server-certificates.ts'
import { formatListenAddress } from '../config/fields/listen-address.ts'
import type { ServiceSettings } from '../config/service-settings.ts'
import type { CertificateExpiry } from '../metrics/process-metrics.ts'

/** A listener as it is open. */
interface OpenListener {
  readonly address: string
  readonly port: number
  /** None: plain HTTP. */
  readonly certificates: readonly { readonly cert: string }[]
}

/** When the certificates in use expire. `shownBy`: what origins showed, ms since 1970. */
export function certificateExpiries(
  { origins, transport: { origins: options } }: ServiceSettings,
  listeners: readonly OpenListener[],
  shownBy: (origin: Origin) => number | undefined,
): CertificateExpiry[] {
  const expiries: CertificateExpiry[] = []
  const add = (of: CertificateExpiry['of'], name: string, expiresAtSeconds: number | undefined): void => {
    if (expiresAtSeconds !== undefined) expiries.push({ of, name, certificate: '', expiresAtSeconds })
  }
  // TCP and UDP at one port have the same, and so may RSA and ECDSA: of one name the first to expire counts.
  const shown = new Map<string, CertificateExpiry>()
  for (const { address: host, port, certificates } of listeners) {
    for (const { cert } of certificates) {
      const name = formatListenAddress({ host, port })
      const { certificate, expiresAtSeconds } = nameAndExpiry(cert)
      const key = `${name} ${certificate}`
      const other = shown.get(key)
      if (other === undefined || expiresAtSeconds < other.expiresAtSeconds)
        shown.set(key, { of: 'listener', name, certificate, expiresAtSeconds })
    }
  }
  expiries.push(...shown.values())
  for (const { name, origin } of origins) {
    const expiresAt = shownBy(origin)
    add('origin', name, expiresAt === undefined ? undefined : expiresAt / 1000)
    add('origin_client', name, expiryOf(options?.[originUrl(origin)]?.tls?.cert))
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

/** It was checked when it was read. */
function nameAndExpiry(pem: string): Pick<CertificateExpiry, 'certificate' | 'expiresAtSeconds'> {
  const { subject, validTo } = new X509Certificate(pem)
  const [first = subject.replaceAll('\n', ', ')] = indexedCertificate(pem).names
  return { certificate: first, expiresAtSeconds: Date.parse(validTo) / 1000 }
}
