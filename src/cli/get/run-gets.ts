import { createHash, type Hash } from 'node:crypto'
import type { Readable, Writable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { systemClock } from '../../entry/events.ts'
import { asTransportError, type RequestOptions, type Transport } from '../../index.ts'
import { type FetchedResponse, type GetRecord, getRecord } from './get-record.ts'

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
  /** Opens the file for the response body. */
  output: (() => Writable) | undefined
}

/** Makes all the requests, `concurrency` at once, and hands over each record as its request ends. */
export async function runGets(
  transport: Transport,
  plan: GetPlan,
  onRecord: (record: GetRecord) => void,
): Promise<void> {
  const urls = plan.urls.values()
  const worker = async () => {
    for (const url of urls) onRecord(await getOne(transport, plan, url)) // the workers share one iterator
  }
  await Promise.all(Array.from({ length: Math.min(plan.concurrency, plan.urls.length) }, worker))
}

async function getOne(transport: Transport, plan: GetPlan, url: string): Promise<GetRecord> {
  const startedAtMs = systemClock.now()
  let fetched: FetchedResponse | undefined
  try {
    const response = await transport.request(url, requestOptions(plan))
    fetched = { status: response.status, info: response.info, bytes: 0, sha256: null, trailers: {} }
    const hash = createHash('sha256')
    await receiveBody(response.body, hash, fetched, plan.output?.())
    fetched.sha256 = hash.digest('hex')
    fetched.trailers = response.trailers
    return getRecord(url, fetched, undefined, systemClock.now() - startedAtMs)
  } catch (error) {
    return getRecord(url, fetched, asTransportError(error), systemClock.now() - startedAtMs)
  }
}

function requestOptions(plan: GetPlan): RequestOptions {
  const { method, headers, body, earlyData } = plan
  if (body === undefined) return { method, headers, earlyData }
  return { method, headers: [...headers, 'content-length', String(body.length)], body: body.open() }
}

/** Hashes and counts the body as it comes; it is never held as a whole. */
async function receiveBody(
  body: Readable,
  hash: Hash,
  fetched: FetchedResponse,
  output: Writable | undefined,
): Promise<void> {
  if (output === undefined) {
    for await (const chunk of body) measure(chunk as Buffer, hash, fetched) // a body without an encoding yields Buffers
    return
  }
  await pipeline(
    body,
    async function* (chunks: AsyncIterable<Buffer>) {
      for await (const chunk of chunks) {
        measure(chunk, hash, fetched)
        yield chunk
      }
    },
    output,
  )
}

function measure(chunk: Buffer, hash: Hash, fetched: FetchedResponse): void {
  hash.update(chunk)
  fetched.bytes += chunk.length
}
