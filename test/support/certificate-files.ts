import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type CertificateAuthority, createCertificateAuthority } from '../../src/testing/certificates.ts'

/** A certificate in files, as the servers want it. Everything is readable by us alone (mode 0600). */
export interface CertificateFiles {
  /** The authority's certificate as PEM text and as a file. */
  readonly ca: string
  readonly caFile: string
  readonly certFile: string
  readonly keyFile: string
  /** Certificate and key in one file: haproxy's way. */
  readonly bundleFile: string
}

/** What every server here can be reached as. */
const SERVER_NAMES: readonly string[] = ['localhost', '127.0.0.1', 'origin.test', 'shop.test']

/** Issues a certificate and writes it into `directory`. Without an authority it makes one of its own. */
export async function writeCertificateFiles(
  directory: string,
  authority?: CertificateAuthority,
  names: readonly string[] = SERVER_NAMES,
): Promise<CertificateFiles> {
  const ca = authority ?? (await createCertificateAuthority())
  const issued = await ca.issue({ names })
  const write = (name: string, text: string): string => {
    const path = join(directory, name)
    writeFileSync(path, text, { mode: 0o600 })
    return path
  }
  return {
    ca: ca.cert,
    caFile: write('ca.pem', ca.cert),
    certFile: write('server.pem', issued.cert),
    keyFile: write('server.key', issued.key),
    bundleFile: write('bundle.pem', issued.cert + issued.key),
  }
}
