import type { WritableStreamDefaultWriter } from 'node:stream/web'
import { onTestFinished } from 'vitest'
import {
  createTransport,
  type Transport,
  type TransportOptions,
  type WebTransportSession,
} from '../../../src/index.ts'
import { createCertificateAuthority } from '../../../src/testing/certificates.ts'
import {
  type Http3Origin,
  type Http3OriginSettings,
  startHttp3Origin,
} from '../../../src/testing/http3-origin.ts'

export interface SessionWorld {
  readonly origin: Http3Origin
  readonly transport: Transport
  /** Sessions that the origin has accepted. */
  readonly accepted: WebTransportSession[]
  open(path?: string): WebTransportSession
}

/** An origin that takes sessions, and a transport that trusts it; both end with the test. */
export async function sessionWorld(
  serve: (session: WebTransportSession, path: string) => unknown = () => {},
  settings: Partial<Http3OriginSettings> = {},
  options: TransportOptions = {},
): Promise<SessionWorld> {
  const authority = await createCertificateAuthority()
  const accepted: WebTransportSession[] = []
  const origin = await startHttp3Origin({
    tls: await authority.issue({ names: ['localhost'] }),
    onSession: (session, path) => {
      accepted.push(session)
      serve(session, path)
    },
    ...settings,
  })
  const transport = createTransport({
    ...options,
    defaults: { protocols: ['h3'], tls: { ca: authority.cert }, ...options.defaults },
  })
  onTestFinished(async () => {
    await transport.close()
    await origin.close()
  })
  return {
    origin,
    transport,
    accepted,
    open: (path = '/session') => transport.webTransport(`${origin.url}${path}`),
  }
}

/** Sends back what comes on each bidirectional stream, until the session ends. */
export async function echoStreams(session: WebTransportSession): Promise<void> {
  await untilEnd(session.incomingBidirectionalStreams, ({ readable, writable }) => {
    readable.pipeTo(writable).catch(() => {}) // of one stream
  })
}

/** Takes all that comes; that the session is lost in the end is no fault. */
export async function untilEnd<Item>(
  items: AsyncIterable<Item>,
  take: (item: Item) => unknown,
): Promise<void> {
  try {
    for await (const item of items) await take(item)
  } catch {
    // lost
  }
}

/** All bytes of a stream. */
export async function bytesOfStream(readable: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const chunks: Uint8Array[] = []
  for await (const chunk of readable) chunks.push(chunk)
  return Buffer.concat(chunks)
}

/** Writes all of it and ends the stream. */
export async function writeAll(
  stream: { getWriter(): WritableStreamDefaultWriter<Uint8Array | ArrayBuffer> },
  bytes: Uint8Array,
): Promise<void> {
  const writer = stream.getWriter()
  await writer.write(bytes)
  await writer.close()
}
