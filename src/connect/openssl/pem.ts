import type { BioPointer, CertificatePointer, KeyPointer, OpenSsl } from './openssl.ts'
import { takeError } from './openssl.ts'

/**
 * Calls `use` with each certificate of a PEM text, in its order. They are freed afterwards: who keeps one
 * takes a reference.
 */
export function eachCertificate(
  openssl: OpenSsl,
  pem: string,
  use: (certificate: CertificatePointer, index: number) => void,
): void {
  withText(openssl, pem, bio => {
    for (let index = 0; ; index++) {
      openssl.ERR_clear_error()
      const certificate = openssl.PEM_read_bio_X509_AUX(bio, null, null, '')
      if (certificate === null) break // the end, or no PEM: as for node:tls
      try {
        use(certificate, index)
      } finally {
        openssl.X509_free(certificate)
      }
    }
  })
  openssl.ERR_clear_error()
}

/** Calls `use` with the private key of a PEM text. Throws what OpenSSL has against it. */
export function withPrivateKey(
  openssl: OpenSsl,
  pem: string,
  passphrase: string,
  use: (key: KeyPointer) => void,
): void {
  withText(openssl, pem, bio => {
    openssl.ERR_clear_error()
    const key = openssl.PEM_read_bio_PrivateKey(bio, null, null, passphrase)
    if (key === null) throw takeError(openssl, 'no private key')
    try {
      use(key)
    } finally {
      openssl.EVP_PKEY_free(key)
    }
  })
}

function withText(openssl: OpenSsl, text: string, use: (bio: BioPointer) => void): void {
  const bio = openssl.BIO_new(openssl.BIO_s_mem())
  if (bio === null) throw takeError(openssl, 'out of memory')
  try {
    const bytes = Buffer.from(text, 'utf8')
    if (bytes.length === 0) return use(bio)
    if (openssl.BIO_write(bio, bytes, bytes.length) !== bytes.length)
      throw takeError(openssl, 'out of memory')
    use(bio)
  } finally {
    openssl.BIO_free(bio)
  }
}
