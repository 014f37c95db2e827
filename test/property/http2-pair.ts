import { TransportError } from '../../src/base/errors.ts'
import type { HeaderList } from '../../src/base/http/headers.ts'
import { DEFAULT_HTTP2_OPTIONS, type Http2Options } from '../../src/base/options/protocol-options.ts'
import { Http2Session } from '../../src/http/http2/http2-session.ts'
import type { SessionEnd } from '../../src/http/multiplex/client-session.ts'
import type { Stream, StreamEvents, StreamReset } from '../../src/http/multiplex/stream.ts'
import { FrameSplitter, PREFACE, SETTING, TYPE, type WireFrame } from '../support/http2-wire.ts'

/** One exchange, as it is meant to go. */
export interface ExchangePlan {
  /** Sizes of the chunks that are written. */
  readonly request: readonly number[]
  readonly response: readonly number[]
  readonly requestTrailers: boolean
  readonly responseTrailers: boolean
  readonly informational: number
  /** The server answers at once, and not when the request has ended. */
  readonly isEarly: boolean
  /** Each reader falls asleep once it has this many bytes; Infinity: never. */
  readonly serverSleepsAt: number
  readonly clientSleepsAt: number
  /** Each side breaks off once it has this many bytes. */
  readonly serverResetsAt: number
  readonly clientResetsAt: number
}

/** What one side has seen of an exchange. */
export interface Seen {
  stream: Stream | undefined
  head: boolean
  bytes: number
  ended: boolean
  trailers: HeaderList
  reset: StreamReset | undefined
  /** It has broken off itself. */
  gaveUp: boolean
}

const TRAILERS: HeaderList = ['x-sum', '12345']

/** What stands at `offset` of a body: neighbors and streams differ. */
function byteOf(id: number, offset: number, isRequest: boolean): number {
  return (id * 37 + offset * 7 + (offset >> 8) * 13 + (isRequest ? 101 : 0)) & 0xff
}

/** No defence: the pair is hasty, since its clock stands nearly still. */
const UNLIMITED: Partial<Http2Options> = {
  maxPingsPerSecond: 0,
  maxSettingsPerSecond: 0,
  maxResetsPerSecond: 0,
  maxEmptyFramesPerSecond: 0,
  maxTinyFramesPerSecond: 0,
  maxTinyWindowUpdatesPerSecond: 0,
  maxIgnoredFramesPerSecond: 0,
}

/** One end of the pair, with what is on its way to it. */
export class Side {
  readonly session: Http2Session
  readonly seen = new Map<number, Seen>()
  end: SessionEnd | undefined
  inbox: Buffer = Buffer.alloc(0)
  readonly #role: 'client' | 'server'

  constructor(role: 'client' | 'server', options: Partial<Http2Options>, pair: Pair) {
    this.#role = role
    this.session = new Http2Session({
      role,
      options: { ...DEFAULT_HTTP2_OPTIONS, ...options, ...UNLIMITED },
      maxHeaderBytes: 16_384,
      maxHeaderCount: 100,
      enableConnectProtocol: false,
      events: {
        onOutput() {},
        onSettings() {},
        onGoaway() {},
        onExhausted() {},
        onEnding() {},
        onPong() {},
        onOrigins() {},
        onAltSvc() {},
        onDefence: limit => pair.complain(`a defence of the ${role} took effect: ${limit}`),
        onStreamClosed() {},
        onEnd: end => {
          if (this.end !== undefined) pair.complain(`the ${role} ended twice`)
          this.end = end
        },
        onRequest: (stream, head, endsStream) => pair.onRequest(stream, head.path, endsStream),
      },
    })
  }

  /** Is notified of one stream, and checks all that can be checked at once. */
  listen(pair: Pair, plan: ExchangePlan, id: () => number, seen: Seen, onEnd: () => void): StreamEvents {
    const role = this.#role
    const sleepsAt = role === 'server' ? plan.serverSleepsAt : plan.clientSleepsAt
    const resetsAt = role === 'server' ? plan.serverResetsAt : plan.clientResetsAt
    const check = (what: string): void => {
      if (seen.reset !== undefined || seen.gaveUp) pair.complain(`${what} of ${role} ${id()} after its end`)
      if (seen.ended && what !== 'onReset' && what !== 'onWritable') pair.complain(`${what} after onEnd`)
    }
    return {
      onResponse: ({ status }) => {
        check('onResponse')
        if (seen.head) pair.complain(`a head behind the final one on ${id()}`)
        if (status >= 200) seen.head = true
      },
      onData: chunk => {
        check('onData')
        if (!seen.head) pair.complain('content before the head')
        for (let i = 0; i < chunk.length; i++) {
          if (chunk[i] !== byteOf(id(), seen.bytes + i, role === 'server')) {
            pair.complain(`${role} ${id()}: another byte at ${seen.bytes + i}`)
            break
          }
        }
        const before = seen.bytes
        seen.bytes += chunk.length
        if (seen.bytes >= resetsAt) {
          seen.gaveUp = true
          seen.stream?.reset('CANCEL')
        } else if (before < sleepsAt && seen.bytes >= sleepsAt) seen.stream?.pause()
      },
      onEnd: trailers => {
        check('onEnd')
        seen.ended = true
        seen.trailers = trailers
        onEnd()
      },
      onWritable: () => {
        check('onWritable')
        pair.write(role, id())
      },
      onReset: reset => {
        check('onReset')
        seen.reset = reset
      },
    }
  }
}

interface Writing {
  readonly stream: Stream
  readonly chunks: readonly number[]
  readonly trailers: HeaderList
  next: number
  offset: number
  isDone: boolean
}

/**
 * Our client session and our server session, with a wire between them that delivers what and when the test
 * says.
 */
export class Pair {
  readonly client: Side
  readonly server: Side
  readonly plans: ExchangePlan[]
  readonly complaints: string[] = []
  readonly #writings = { client: new Map<number, Writing>(), server: new Map<number, Writing>() }
  readonly #credit: { client: WindowWatch; server: WindowWatch }
  #opened = 0
  #now = 0

  constructor(plans: ExchangePlan[], client: Partial<Http2Options>, server: Partial<Http2Options>) {
    this.plans = plans
    this.client = new Side('client', client, this)
    this.server = new Side('server', server, this)
    this.#credit = {
      client: new WindowWatch(this, 'client', PREFACE.length),
      server: new WindowWatch(this, 'server', 0),
    }
    this.client.session.start(0)
    this.server.session.start(0)
  }

  complain(what: string): void {
    if (this.complaints.length < 10) this.complaints.push(what)
  }

  tick(ms: number): void {
    this.#now += ms
  }

  /** Opens the next exchange, where the client may. */
  open(): void {
    const plan = this.plans[this.#opened]
    const { session } = this.client
    if (plan === undefined || session.openStreams >= session.capacity) return
    const seen: Seen = {
      stream: undefined,
      head: false,
      bytes: 0,
      ended: false,
      trailers: [],
      reset: undefined,
      gaveUp: false,
    }
    const endsStream = plan.request.length === 0 && !plan.requestTrailers
    let id = 0
    try {
      const events = this.client.listen(
        this,
        plan,
        () => id,
        seen,
        () => undefined,
      )
      const path = `/${this.#opened}`
      const headers = this.#opened % 3 === 0 ? ['x-repeated', 'value'] : ['x-once', `value ${this.#opened}`]
      const stream = session.open(
        { method: 'POST', scheme: 'http', authority: 'a.test', path, protocol: undefined, headers },
        endsStream,
        events,
        this.#now,
      )
      id = stream.id
      seen.stream = stream
      this.client.seen.set(this.#opened, seen)
      this.#opened += 1
      if (!endsStream) this.#begin('client', stream, plan.request, plan.requestTrailers)
    } catch (error) {
      if (!(error instanceof TransportError) || error.code !== 'MM_CONNECTION_CLOSED') throw error
      if (session.capacity > 0) this.complain('refused though there was capacity')
    }
  }

  onRequest(stream: Stream, path: string, endsStream: boolean): StreamEvents {
    const index = Number(path.slice(1))
    const plan = this.plans[index]
    if (plan === undefined) throw new Error(`nobody asked for ${path}`)
    if (this.server.seen.has(index)) this.complain(`${path} came twice`)
    const seen: Seen = {
      stream,
      head: true,
      bytes: 0,
      ended: endsStream,
      trailers: [],
      reset: undefined,
      gaveUp: false,
    }
    this.server.seen.set(index, seen)
    const answer = (): void => {
      for (let i = 0; i < plan.informational; i++) stream.respond(103, ['link', '</x>'], false)
      const endsAnswer = plan.response.length === 0 && !plan.responseTrailers
      stream.respond(200, ['x-index', String(index)], endsAnswer)
      if (!endsAnswer) this.#begin('server', stream, plan.response, plan.responseTrailers)
    }
    const events = this.server.listen(
      this,
      plan,
      () => stream.id,
      seen,
      () => {
        if (!plan.isEarly) answer()
      },
    )
    // Some servers answer from within, some before the content has come.
    if (endsStream || plan.isEarly) answer()
    return events
  }

  #begin(role: 'client' | 'server', stream: Stream, chunks: readonly number[], hasTrailers: boolean): void {
    const trailers = hasTrailers ? TRAILERS : []
    this.#writings[role].set(stream.id, { stream, chunks, trailers, next: 0, offset: 0, isDone: false })
    this.write(role, stream.id)
  }

  write(role: 'client' | 'server', id: number): void {
    const writing = this.#writings[role].get(id)
    if (writing === undefined || writing.isDone) return
    for (;;) {
      const size = writing.chunks[writing.next]
      if (size === undefined) break
      writing.next += 1
      const chunk = Buffer.alloc(size)
      for (let i = 0; i < size; i++) chunk[i] = byteOf(id, writing.offset + i, role === 'client')
      writing.offset += size
      const wantsMore = writing.stream.write(chunk, piece => Buffer.from(piece))
      // It was borrowed.
      chunk.fill(0xdd)
      if (!wantsMore) return
    }
    writing.isDone = true
    writing.stream.end(writing.trailers)
  }

  /** Puts up to `bytes` of what is on its way before its receiver. False: nothing was. */
  deliver(to: 'client' | 'server', bytes: number): boolean {
    const receiver = this[to]
    this.#collect('client')
    this.#collect('server')
    const part = Buffer.from(receiver.inbox.subarray(0, bytes))
    if (part.length === 0) return false
    receiver.inbox = receiver.inbox.subarray(part.length)
    this.#credit[to].onCredit(part)
    receiver.session.receive(part, 0, part.length, this.#now)
    // It was borrowed.
    part.fill(0xee)
    return true
  }

  #collect(from: 'client' | 'server'): void {
    const sender = this[from]
    while (sender.session.outputBytes > 0) {
      const bytes = Buffer.concat(sender.session.takeOutput())
      sender.session.releaseOutput()
      this.#credit[from].onSent(bytes)
      const receiver = from === 'client' ? this.server : this.client
      receiver.inbox = Buffer.concat([receiver.inbox, bytes])
    }
  }

  wake(side: 'client' | 'server'): void {
    for (const { stream, gaveUp } of this[side].seen.values()) if (!gaveUp) stream?.resume()
  }

  drain(side: 'client' | 'server'): void {
    this[side].session.drain(this.#now)
  }

  /** Everybody is awake and everything is delivered, until nothing moves any more. */
  settle(): void {
    for (let round = 0; ; round++) {
      if (round > 20_000) {
        this.complain('it never comes to rest')
        return
      }
      this.#now += 1
      this.wake('client')
      this.wake('server')
      const hasMoved = this.deliver('server', 50_000)
      if (!this.deliver('client', 50_000) && !hasMoved) {
        const before = this.#opened
        this.open()
        if (this.#opened === before) return
      }
    }
  }
}

/**
 * Watches what one side sends: its DATA against the credit that it was given (RFC 9113 6.9), as a referee
 * between the two would. A smaller SETTINGS_INITIAL_WINDOW_SIZE holds from its acknowledgement on: what was
 * framed before SETTINGS came leaves ahead of that.
 */
class WindowWatch {
  readonly #pair: Pair
  readonly #role: string
  readonly #sent = new FrameSplitter()
  readonly #received = new FrameSplitter()
  #prefaceLeft: number
  #receivedPreface: number
  #connection = 65_535
  #initial = 65_535
  /** Received, and not acknowledged yet. Undefined: SETTINGS without this one. */
  readonly #unacknowledged: (number | undefined)[] = []
  readonly #streams = new Map<number, number>()

  constructor(pair: Pair, role: 'client' | 'server', prefaceBytes: number) {
    this.#pair = pair
    this.#role = role
    this.#prefaceLeft = prefaceBytes
    this.#receivedPreface = role === 'server' ? PREFACE.length : 0
  }

  onSent(bytes: Buffer): void {
    const skipped = Math.min(this.#prefaceLeft, bytes.length)
    this.#prefaceLeft -= skipped
    for (const { type, flags, streamId, payload } of this.#sent.receive(bytes.subarray(skipped))) {
      if (type === TYPE.SETTINGS && (flags & 1) !== 0)
        this.#initial = this.#unacknowledged.shift() ?? this.#initial
      if (type !== TYPE.DATA || payload.length === 0) continue
      this.#connection -= payload.length
      const left = (this.#streams.get(streamId) ?? 0) - payload.length
      this.#streams.set(streamId, left)
      if (this.#connection < 0) this.#pair.complain(`${this.#role}: more than the window of the connection`)
      const initial = Math.max(this.#initial, ...this.#unacknowledged.map(bytes => bytes ?? 0))
      if (initial + left < 0) this.#pair.complain(`${this.#role}: more than the window of stream ${streamId}`)
    }
  }

  /** These bytes reach the side whose sending is watched. */
  onCredit(bytes: Buffer): void {
    const skipped = Math.min(this.#receivedPreface, bytes.length)
    this.#receivedPreface -= skipped
    for (const frame of this.#received.receive(Buffer.from(bytes.subarray(skipped)))) this.#readCredit(frame)
  }

  #readCredit({ type, flags, streamId, payload }: WireFrame): void {
    if (type === TYPE.WINDOW_UPDATE) {
      const increment = payload.readUInt32BE(0)
      if (streamId === 0) this.#connection += increment
      else this.#streams.set(streamId, (this.#streams.get(streamId) ?? 0) + increment)
      const window = streamId === 0 ? this.#connection : this.#initial + (this.#streams.get(streamId) ?? 0)
      if (window > 2 ** 31 - 1 || increment === 0)
        this.#pair.complain('a window above 2^31-1, or credit of 0')
    }
    if (type !== TYPE.SETTINGS || (flags & 1) !== 0) return
    let initial: number | undefined
    for (let at = 0; at < payload.length; at += 6) {
      if (payload.readUInt16BE(at) === SETTING.INITIAL_WINDOW_SIZE) initial = payload.readUInt32BE(at + 2)
    }
    this.#unacknowledged.push(initial)
  }
}
