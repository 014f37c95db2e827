import { createCertificateAuthority } from '../../src/testing/certificates.ts'
import { type Http3OriginSettings, startHttp3Origin } from '../../src/testing/http3-origin.ts'
import { patternBytes } from '../../src/testing/origin-answers.ts'
import { bodyOf } from './body-files.ts'
import { sha256 } from './moving-client.ts'
import { startNgtcp2Server } from './ngtcp2-server.ts'
import { requireBinary } from './require-binary.ts'
import { requireQuic } from './require-quic.ts'
import { volume } from './volume.ts'

/** A server of HTTP/3 whose clients may move, with bodies large enough to move in their midst. */
export interface MovableServer extends AsyncDisposable {
  readonly port: number
  readonly ca: string
  /** A body of DOWNLOAD_BYTES. */
  readonly downloadPath: string
  readonly downloadSha256: string
  /** Less than a packet, status 200. */
  readonly smallPath: string
  /** Takes bodies. */
  readonly uploadPath: string
  /** Of a body that it took; undefined: it does not tell. */
  uploadSha256(bytes: number): string | undefined
}

export const DOWNLOAD_BYTES = volume(8_000_000, 40_000_000)

export interface MovableServerKind {
  readonly name: string
  /** Why it cannot be had here; undefined: it can. */
  readonly missing: string | undefined
  start(): Promise<MovableServer>
}

export const NGTCP2: MovableServerKind = {
  name: 'gtlsserver',
  missing: requireBinary('gtlsserver') ?? requireQuic(),
  async start() {
    const server = await startNgtcp2Server({ bodies: { download: DOWNLOAD_BYTES } })
    return {
      port: server.port,
      ca: server.certificates.ca,
      downloadPath: '/download',
      downloadSha256: sha256(bodyOf(DOWNLOAD_BYTES)),
      smallPath: '/hello',
      // It counts what came against content-length (nghttp3), and says no more of it.
      uploadPath: '/hello',
      uploadSha256: () => undefined,
      [Symbol.asyncDispose]: () => server.stop(),
    }
  },
}

export const OWN_SERVER: MovableServerKind = {
  name: 'our own server role',
  missing: requireQuic(),
  start: () => startOwnMovable(),
}

export async function startOwnMovable(settings: Partial<Http3OriginSettings> = {}): Promise<MovableServer> {
  const tls = await (await createCertificateAuthority()).issue({ names: ['localhost'] })
  const origin = await startHttp3Origin({ allowsMigration: true, tls, ...settings })
  return {
    port: origin.port,
    ca: tls.ca,
    downloadPath: `/bytes/${DOWNLOAD_BYTES}`,
    downloadSha256: sha256(patternBytes(DOWNLOAD_BYTES)),
    smallPath: '/',
    uploadPath: '/inspect',
    uploadSha256: bytes => sha256(bodyOf(bytes)),
    [Symbol.asyncDispose]: () => origin.close(),
  }
}
