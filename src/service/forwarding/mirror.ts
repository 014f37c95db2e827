import { type DispatchRequest, type ExchangeHandler, type RequestBody } from '../../entry/dispatch.ts'
import type { Transport } from '../../index.ts'
import type { IngressExchange } from '../../ingress/ingress-exchange.ts'
import type { MirrorSettings } from '../config/service-settings.ts'
import { type ForwardOrigin, usualAuthority } from './forward-origin.ts'
import type { BodyTap } from './limited-body.ts'

/** What became of requests that were to be copied. */
export type MirrorOutcome =
  | 'answered'
  | 'failed'
  /** As many copies were under way as there may be. */
  | 'busy'
  /** The body was larger than what is held of one. */
  | 'too-large'
  /** The request itself broke off before its body was complete. */
  | 'incomplete'

/** Marks a copy, for the origin that gets it. */
const MARK = ['x-mirrored', '1'] as const

export interface MirrorParts {
  readonly transport: Pick<Transport, 'dispatch'>
  readonly random: () => number
  /** What is counted of a route, by its name. */
  counts(route: string): MirrorCounts
}

/** Counts of one route's copies; they outlive the configuration that asked for them. */
export class MirrorCounts {
  readonly counts = new Map<MirrorOutcome, number>()

  add(outcome: MirrorOutcome): void {
    this.counts.set(outcome, (this.counts.get(outcome) ?? 0) + 1)
  }
}

/**
 * Sends copies of a share of a route's requests to another origin, and throws the answers away. The request
 * itself goes first and waits for nothing: what its body consists of is noted as it passes, and the copy
 * leaves when it is complete. What is held is bounded by the copies at once times what each may hold.
 */
export class Mirror {
  readonly #settings: MirrorSettings
  readonly #origin: ForwardOrigin
  readonly #parts: MirrorParts
  readonly #counts: MirrorCounts
  #underWay = 0

  constructor(settings: MirrorSettings, origin: ForwardOrigin, counts: MirrorCounts, parts: MirrorParts) {
    this.#settings = settings
    this.#origin = origin
    this.#counts = counts
    this.#parts = parts
  }

  /** Undefined: this one is not copied. Its `send` is for when the request itself has left. */
  copyOf(client: IngressExchange): MirroredRequest | undefined {
    const { share, maxBodyBytes, maxUnderWay } = this.#settings
    if (client.upgrade !== undefined || share === 0) return undefined
    if (share < 1 && this.#parts.random() >= share) return undefined
    const { body } = client
    if (body !== null && (body.length ?? 0) > maxBodyBytes) return this.#skip('too-large')
    if (this.#underWay >= maxUnderWay) return this.#skip('busy')
    this.#underWay += 1
    return new MirroredRequest(maxBodyBytes, {
      send: (request, whole) => this.#send(client, request, whole),
      onSkipped: outcome => {
        this.#underWay -= 1
        this.#skip(outcome)
      },
    })
  }

  #skip(outcome: MirrorOutcome): undefined {
    this.#counts.add(outcome)
  }

  #send(client: IngressExchange, request: DispatchRequest, body: RequestBody): void {
    const { origin } = this.#origin
    const { method, path } = request
    const headers = request.headers.filter((_, at) => request.headers[at & ~1] !== 'expect').concat(MARK)
    this.#parts.transport.dispatch(
      origin,
      { method, path, headers, body, authority: usualAuthority(this.#origin, client), retry: NO_RETRY },
      discarding(outcome => {
        this.#underWay -= 1
        this.#counts.add(outcome)
      }),
    )
  }
}

const NO_RETRY = { maxRetries: 0 }

interface MirrorOwner {
  send(request: DispatchRequest, body: RequestBody): void
  onSkipped(outcome: MirrorOutcome): void
}

/** One request while it is copied. */
export class MirroredRequest implements BodyTap {
  readonly #maxBytes: number
  readonly #owner: MirrorOwner
  #request: DispatchRequest | undefined
  #chunks: Buffer[] = []
  #bytes = 0
  #isComplete = false
  #isDone = false

  constructor(maxBytes: number, owner: MirrorOwner) {
    this.#maxBytes = maxBytes
    this.#owner = owner
  }

  /** The request itself was dispatched. */
  send(request: DispatchRequest): void {
    this.#request = request
    const { body } = request
    if (body === null || body instanceof Uint8Array) this.#leave(body)
    else if (this.#isComplete) this.#leave(Buffer.concat(this.#chunks))
  }

  onStart(): void {
    this.#chunks = []
    this.#bytes = 0
    this.#isComplete = false
  }

  onChunk(chunk: Uint8Array): void {
    if (this.#isDone) return
    this.#bytes += chunk.length
    if (this.#bytes > this.#maxBytes) return this.#skip('too-large')
    // A copy: the chunk may be a small part of a large read.
    this.#chunks.push(Buffer.from(chunk))
  }

  onEnd(): void {
    this.#isComplete = true
    if (this.#request !== undefined) this.#leave(Buffer.concat(this.#chunks))
  }

  onBroken(): void {
    this.#skip('incomplete')
  }

  #leave(body: RequestBody): void {
    const request = this.#request
    if (this.#isDone || request === undefined) return
    this.#isDone = true
    this.#chunks = []
    this.#owner.send(request, body)
  }

  #skip(outcome: MirrorOutcome): void {
    if (this.#isDone) return
    this.#isDone = true
    this.#chunks = []
    this.#owner.onSkipped(outcome)
  }
}

/** Takes an answer to its end, and says once how it went. */
function discarding(onOver: (outcome: MirrorOutcome) => void): ExchangeHandler {
  return {
    onRequestStart() {},
    onInformational() {},
    onResponseStart() {},
    onResponseData() {},
    onResponseEnd: () => onOver('answered'),
    onUpgrade(_controller, _status, _headers, tunnel) {
      tunnel.destroy()
      onOver('failed')
    },
    onResponseError: () => onOver('failed'),
  }
}
