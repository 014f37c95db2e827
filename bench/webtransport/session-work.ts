import type { ReadableStream, WritableStream } from 'node:stream/web'
import { guardedPromise } from '../../src/base/guard.ts'

/** A session of WebTransport, as far as all libraries agree on it. */
export interface AnySession {
  readonly ready: Promise<unknown>
  readonly closed: Promise<unknown>
  readonly incomingBidirectionalStreams: ReadableStream<AnyStream>
  readonly incomingUnidirectionalStreams: ReadableStream<ReadableStream<Uint8Array>>
  readonly datagrams: {
    readonly readable: ReadableStream<Uint8Array>
    readonly writable?: WritableStream<Uint8Array>
    /** The package's name for it. */
    createWritable?(): WritableStream<Uint8Array>
  }
  createBidirectionalStream(options: { readonly waitUntilAvailable: boolean }): Promise<AnyStream>
  createUnidirectionalStream(): Promise<WritableStream<Uint8Array>>
  close(): void
}

interface AnyStream {
  readonly readable: ReadableStream<Uint8Array>
  readonly writable: WritableStream<Uint8Array>
}

/** What a client does for a while. */
export type SessionWork = 'bulk' | 'streams' | 'datagrams'

const CHUNK = new Uint8Array(65_536)
const QUESTION = new Uint8Array(16)
const DATAGRAM_BYTES = 1_000
const AT_A_TIME = 32
/** Datagrams that may be on their way; the server counts back after so many. */
const MAX_UNCOUNTED = 256
const COUNT_EVERY = 32
/** What was not counted by then is lost. */
const LOST_MS = 20

/** What a server has received. */
export class ServedSessions {
  bytes = 0
  streams = 0
  datagrams = 0

  serve(session: AnySession): void {
    session.closed.catch(ignore)
    guardedPromise('a session of the bench', session.ready)
    this.#each(session.incomingUnidirectionalStreams, readable => void this.#read(readable).catch(ignore))
    this.#each(session.incomingBidirectionalStreams, stream => void this.#answer(stream).catch(ignore))
    const writer = datagramWriter(session)
    let received = 0
    this.#each(session.datagrams.readable, () => {
      this.datagrams += 1
      received += 1
      if (received % COUNT_EVERY !== 0) return
      const count = Buffer.alloc(4)
      count.writeUInt32BE(received)
      writer.write(count).catch(ignore)
    })
  }

  async #read(readable: ReadableStream<Uint8Array>): Promise<void> {
    const reader = readable.getReader()
    for (;;) {
      const { value, done } = await reader.read()
      if (done) return
      this.bytes += value.length
    }
  }

  async #answer({ readable, writable }: AnyStream): Promise<void> {
    const reader = readable.getReader()
    while (!(await reader.read()).done);
    const writer = writable.getWriter()
    const written = writer.write(QUESTION)
    await writer.close()
    await written
    this.streams += 1
  }

  #each<Item>(items: ReadableStream<Item>, take: (item: Item) => void): void {
    const run = async (): Promise<void> => {
      const reader = items.getReader()
      for (;;) {
        const { value, done } = await reader.read()
        if (done) return
        take(value)
      }
    }
    run().catch(ignore) // the session has ended
  }
}

/** Works on a session for so long. */
export async function work(session: AnySession, what: SessionWork, ms: number): Promise<void> {
  const until = performance.now() + ms
  const isOver = (): boolean => performance.now() >= until
  if (what === 'bulk') await sendBulk(session, isOver)
  else if (what === 'datagrams') await sendDatagrams(session, isOver)
  else await Promise.all(Array.from({ length: AT_A_TIME }, () => askOnStreams(session, isOver)))
}

async function sendBulk(session: AnySession, isOver: () => boolean): Promise<void> {
  const writer = (await session.createUnidirectionalStream()).getWriter()
  while (!isOver()) await writer.write(CHUNK)
  await writer.close()
}

async function askOnStreams(session: AnySession, isOver: () => boolean): Promise<void> {
  while (!isOver()) {
    const { readable, writable } = await session.createBidirectionalStream({ waitUntilAvailable: true })
    const writer = writable.getWriter()
    const written = writer.write(QUESTION)
    await writer.close()
    await written
    const reader = readable.getReader()
    while (!(await reader.read()).done);
  }
}

async function sendDatagrams(session: AnySession, isOver: () => boolean): Promise<void> {
  const writer = datagramWriter(session)
  const reader = session.datagrams.readable.getReader()
  const payload = new Uint8Array(DATAGRAM_BYTES)
  let uncounted = 0
  let counted = 0
  let wake = ignore
  const count = async (): Promise<void> => {
    for (;;) {
      const { value, done } = await reader.read()
      if (done) return
      const received = Buffer.from(value).readUInt32BE()
      uncounted = Math.max(0, uncounted - (received - counted))
      counted = received
      wake()
    }
  }
  count().catch(ignore)
  while (!isOver()) {
    if (uncounted < MAX_UNCOUNTED) {
      uncounted += 1
      await writer.write(payload)
      continue
    }
    const before = counted
    const isWoken = await Promise.race([
      new Promise<true>(resolve => (wake = () => resolve(true))),
      new Promise<false>(resolve => setTimeout(resolve, LOST_MS, false)),
    ])
    if (!isWoken && counted === before) uncounted = 0
  }
}

function datagramWriter({ datagrams }: AnySession): ReturnType<WritableStream<Uint8Array>['getWriter']> {
  const writable = datagrams.createWritable?.() ?? datagrams.writable
  if (writable === undefined) throw new Error('the session takes no datagrams')
  const writer = writable.getWriter()
  writer.closed.catch(ignore)
  return writer
}

function ignore(): void {}
