import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createCertificateAuthority } from '../../src/testing/certificates.ts'
import { startQuickOrigin, type TestOrigin } from '../../src/testing/origins.ts'
import { makeTemporaryDirectory } from './temporary-directory.ts'

/** An https origin, and what a command line needs to trust it. */
export interface TrustedOrigin extends AsyncDisposable {
  readonly origin: TestOrigin
  /** As `--ca` takes it. */
  readonly caFile: string
  /** Holds the CA; removed at the end with what else is in it. */
  readonly directory: string
}

export async function startTrustedOrigin(name: string): Promise<TrustedOrigin> {
  const directory = makeTemporaryDirectory(name)
  try {
    const authority = await createCertificateAuthority()
    const caFile = join(directory.path, 'ca.pem')
    writeFileSync(caFile, authority.cert)
    const origin = await startQuickOrigin({ tls: await authority.issue({ names: ['localhost'] }) })
    return {
      origin,
      caFile,
      directory: directory.path,
      async [Symbol.asyncDispose]() {
        await origin.close()
        directory.remove()
      },
    }
  } catch (error) {
    directory.remove()
    throw error
  }
}
