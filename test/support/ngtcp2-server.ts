import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { CertificateAuthority } from '../../src/testing/certificates.ts'
import { bodyOf, writeBodyFiles } from './body-files.ts'
import { type CertificateFiles, writeCertificateFiles } from './certificate-files.ts'
import { type RealServer, startRealServer } from './real-server.ts'
import { makeTemporaryDirectory } from './temporary-directory.ts'
import { freeDualPort, waitUntilSpeaksQuic } from './udp-port.ts'

export interface Ngtcp2ServerOptions {
  authority?: CertificateAuthority
  names?: readonly string[]
  /** Every client must prove its address (Retry). */
  retries?: boolean
  /** Shares of datagrams that it throws away, 0 to 1: those that it sends, and those that it receives. */
  sendLoss?: number
  receiveLoss?: number
  /** initial_max_data, and the most that this window grows to. */
  connectionWindowBytes?: number
  /** initial_max_stream_data_*, and the most that these windows grow to. */
  streamWindowBytes?: number
  /** initial_max_streams_bidi. Default 100. */
  maxStreams?: number
  /** Go-like time, `2s`. Default 30 s. */
  idleTimeout?: string
  /** Sends trailers behind every body. */
  sendsTrailers?: boolean
  /** Answers when the head of the request is there, not when its body is, and stops the upload. */
  answersEarly?: boolean
  /** The largest payload that it puts into a datagram. */
  maxUdpPayloadBytes?: number
  cpu?: number | undefined
  /** More files, by name: bodyOf() so many bytes. */
  bodies?: Readonly<Record<string, number>>
}

/**
 * gtlsserver as an origin: the example server of ngtcp2 and nghttp3 (with GnuTLS), which speaks HTTP/3 and
 * nothing else. It serves the files of writeBodyFiles, /hello, /N with N bytes of its own, and 404.
 */
export interface Ngtcp2Server extends AsyncDisposable {
  readonly server: RealServer
  readonly port: number
  /** `https://localhost:PORT`, without a slash at its end. */
  readonly url: string
  readonly certificates: CertificateFiles
  /** Another process in its place, on the same port and with the same certificate. */
  restart(signal?: NodeJS.Signals): Promise<void>
  stop(): Promise<void>
}

export async function startNgtcp2Server(options: Ngtcp2ServerOptions = {}): Promise<Ngtcp2Server> {
  const directory = makeTemporaryDirectory('ngtcp2')
  try {
    const certificates = await writeCertificateFiles(directory.path, options.authority, options.names)
    const www = writeBodyFiles(directory.path)
    writeFileSync(join(www, 'hello'), 'hello from ngtcp2\n')
    for (const [name, bytes] of Object.entries(options.bodies ?? {}))
      writeFileSync(join(www, name), bodyOf(bytes))
    const port = await freeDualPort()
    const start = async (): Promise<RealServer> => {
      const started = await startRealServer({
        command: 'gtlsserver',
        // It writes down every frame unless it is set not to.
        args: [
          '--quiet',
          `--htdocs=${www}`,
          ...switches(options),
          '127.0.0.1',
          String(port),
          certificates.keyFile,
          certificates.certFile,
        ],
        ports: [],
        cpu: options.cpu,
      })
      if (await waitUntilSpeaksQuic(port, 10_000, () => started.hasExited())) return started
      await started.stop('SIGKILL')
      throw new Error(`gtlsserver does not answer on port ${port}:\n${started.output()}`)
    }
    let server = await start()
    const stop = async (): Promise<void> => {
      await server.stop()
      directory.remove()
    }
    return {
      get server() {
        return server
      },
      port,
      url: `https://localhost:${port}`,
      certificates,
      async restart(signal) {
        await server.stop(signal)
        server = await start()
      },
      stop,
      [Symbol.asyncDispose]: stop,
    }
  } catch (error) {
    directory.remove()
    throw error
  }
}

function switches(options: Ngtcp2ServerOptions): string[] {
  const { connectionWindowBytes, streamWindowBytes } = options
  const text = (name: string, value: number | string | undefined): string[] =>
    value === undefined ? [] : [`--${name}=${value}`]
  return [
    ...(options.retries === true ? ['--validate-addr'] : []),
    ...text('tx-loss', options.sendLoss),
    ...text('rx-loss', options.receiveLoss),
    ...text('max-data', connectionWindowBytes),
    ...text('max-window', connectionWindowBytes),
    ...text('max-stream-data-bidi-remote', streamWindowBytes),
    ...text('max-stream-data-uni', streamWindowBytes),
    ...text('max-stream-window', streamWindowBytes),
    ...text('max-streams-bidi', options.maxStreams),
    ...text('timeout', options.idleTimeout),
    ...(options.sendsTrailers === true ? ['--send-trailers'] : []),
    ...(options.answersEarly === true ? ['--early-response'] : []),
    ...text('max-udp-payload-size', options.maxUdpPayloadBytes),
  ]
}
