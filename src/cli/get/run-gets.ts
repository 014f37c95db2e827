import { createHash } from 'node:crypto'
import type { Readable, Writable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { systemClock } from '../../entry/events.ts'
import { asTransportError, type RequestOptions, type Transport, type TransportError } from '../../index.ts'
import type { Fetched, FetchedResponse } from './get-record.ts'

/** A request body that can be opened for each request. */
export interface RequestBodySource {
  length: number
  open(): Buffer | Readable
}

/** What is to be fetched. */
export interface GetPlan {
  /** One entry for each request. */
  urls: readonly string[]
  concurrency: number
  method: string
  /** name, value, … */
  headers: readonly string[]
  /** They may leave in early data. */
  earlyData: boolean
  body: RequestBodySource | undefined
  /** Opens what the response body goes to. */
  output: (() => Writable) | undefined
  /** So much of each body is kept to be shown. */
  previewBytes: number
}

/** Makes all the requests, `concurrency` at once, and hands over what became of each as it ends. */
export async function runGets(
  transport: Transport,
  plan: GetPlan,
  onFetched: (fetched: Fetched) => void,
): Promise<void> {
  const urls = plan.urls.values()
  const worker = async () => {
    for (const url of urls) onFetched(await getOne(transport, plan, url)) // the workers share one iterator
  }
  await Promise.all(Array.from({ length: Math.min(plan.concurrency, plan.urls.length) }, worker))
}

async function getOne(transport: Transport, plan: GetPlan, url: string): Promise<Fetched> {
  const startedAt = systemClock.now()
  let response: FetchedResponse | undefined
  let error: TransportError | undefined
  try {
    const answer = await transport.request(url, requestOptions(plan))
    const headAt = systemClock.now()
    const { status, statusText, headers, info } = answer
    response = {
      status,
      statusText,
      headers,
      info,
      bodyMs: 0,
      bytes: 0,
      sha256: null,
      trailers: {},
      preview: undefined,
    }
    const received = new ReceivedBody(response, plan.previewBytes)
    try {
      await receive(answer.body, received, plan.output?.())
      response.sha256 = received.sha256()
      response.trailers = answer.trailers
    } finally {
      response.bodyMs = systemClock.now() - headAt
      response.info = answer.info // by now the total is known, and what became of early data
    }
  } catch (cause) {
    error = asTransportError(cause)
  }
  return { url, response, error, elapsedMs: systemClock.now() - startedAt }
}

function requestOptions(plan: GetPlan): RequestOptions {
  const { method, headers, body, earlyData } = plan
  if (body === undefined) return { method, headers, earlyData }
  return { method, headers: [...headers, 'content-length', String(body.length)], body: body.open() }
}

/** Hashes and counts a body as it comes, and keeps its beginning; never the whole. */
class ReceivedBody {
  readonly #response: FetchedResponse
  readonly #hash = createHash('sha256')
  #previewBytesLeft: number

  constructor(response: FetchedResponse, previewBytes: number) {
    this.#response = response
    this.#previewBytesLeft = previewBytes
    if (previewBytes > 0) response.preview = Buffer.alloc(0)
  }

  add(chunk: Buffer): void {
    this.#hash.update(chunk)
    this.#response.bytes += chunk.length
    const { preview } = this.#response
    if (preview === undefined || this.#previewBytesLeft === 0) return
    const shown = chunk.subarray(0, this.#previewBytesLeft)
    this.#previewBytesLeft -= shown.length
    this.#response.preview = Buffer.concat([preview, shown])
  }

  sha256(): string {
    return this.#hash.digest('hex')
  }
}

async function receive(body: Readable, received: ReceivedBody, output: Writable | undefined): Promise<void> {
  if (output === undefined) {
    for await (const chunk of body) received.add(chunk as Buffer) // a body without an encoding yields Buffers
    return
  }
  await pipeline(
    body,
    async function* (chunks: AsyncIterable<Buffer>) {
      for await (const chunk of chunks) {
        received.add(chunk)
        yield chunk
      }
    },
    output,
  )
}
