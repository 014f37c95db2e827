import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { CertificateAuthority } from '../../src/testing/certificates.ts'
import { writeBodyFiles } from './body-files.ts'
import { type CertificateFiles, writeCertificateFiles } from './certificate-files.ts'
import { type RealServer, startRealServer } from './real-server.ts'
import { freePort } from './tcp-port.ts'
import { makeTemporaryDirectory } from './temporary-directory.ts'

export interface NghttpdOptions {
  authority?: CertificateAuthority
  names?: readonly string[]
  /** SETTINGS_MAX_CONCURRENT_STREAMS. nghttpd's own default is 100. */
  maxConcurrentStreams?: number
  /** The window of a stream is 2^bits - 1. Default 16 bits: what RFC 9113 6.9.2 begins with. */
  windowBits?: number
  /** At most so many bytes of padding on each frame. */
  padding?: number
  /** `name: value` behind every body. */
  trailer?: string
  /** A POST or PUT is answered with its own body. */
  echoesUploads?: boolean
  /** Answers when the head of the request is there, not when its body is. */
  answersEarly?: boolean
  cpu?: number | undefined
}

/**
 * nghttpd as an origin: the reference implementation of HTTP/2 (nghttp2), which speaks nothing else. On a TLS
 * port and a cleartext port: the files of writeBodyFiles, /hello, and 404.
 */
export interface Nghttpd extends AsyncDisposable {
  readonly tlsServer: RealServer
  readonly plainServer: RealServer
  readonly tlsPort: number
  readonly h2cPort: number
  /** `https://localhost:PORT`, without a slash at its end. */
  readonly url: string
  readonly h2cUrl: string
  readonly certificates: CertificateFiles
  stop(): Promise<void>
}

export async function startNghttpd(options: NghttpdOptions = {}): Promise<Nghttpd> {
  const directory = makeTemporaryDirectory('nghttpd')
  const started: RealServer[] = []
  const stop = async (): Promise<void> => {
    await Promise.all(started.map(server => server.stop()))
    directory.remove()
  }
  try {
    const certificates = await writeCertificateFiles(directory.path, options.authority, options.names)
    const www = writeBodyFiles(directory.path)
    writeFileSync(join(www, 'hello'), 'hello from nghttpd\n')
    const start = async (port: number, args: readonly string[]): Promise<RealServer> => {
      const server = await startRealServer({
        command: 'nghttpd',
        args: ['--address=127.0.0.1', `--htdocs=${www}`, ...switches(options), ...args],
        ports: [port],
        cpu: options.cpu,
      })
      started.push(server)
      return server
    }
    const tlsPort = await freePort()
    const h2cPort = await freePort()
    // One process serves one port. Its own order is the key before the certificate.
    const tlsServer = await start(tlsPort, [String(tlsPort), certificates.keyFile, certificates.certFile])
    const plainServer = await start(h2cPort, ['--no-tls', String(h2cPort)])
    return {
      tlsServer,
      plainServer,
      tlsPort,
      h2cPort,
      url: `https://localhost:${tlsPort}`,
      h2cUrl: `http://localhost:${h2cPort}`,
      certificates,
      stop,
      [Symbol.asyncDispose]: stop,
    }
  } catch (error) {
    await stop()
    throw error
  }
}

function switches(options: NghttpdOptions): string[] {
  const { maxConcurrentStreams, windowBits, padding, trailer } = options
  return [
    ...(maxConcurrentStreams === undefined ? [] : [`--max-concurrent-streams=${maxConcurrentStreams}`]),
    ...(windowBits === undefined ? [] : [`--window-bits=${windowBits}`]),
    ...(padding === undefined ? [] : [`--padding=${padding}`]),
    ...(trailer === undefined ? [] : [`--trailer=${trailer}`]),
    ...(options.echoesUploads === true ? ['--echo-upload'] : []),
    ...(options.answersEarly === true ? ['--early-response'] : []),
  ]
}
