import { createHash } from 'node:crypto'
import type { Clock, Timer } from '../base/clock.ts'
import { MAX_SIBLING_BYTES, type RecordStore, type Sibling } from './record-store.ts'

export interface OriginShelfConfig {
  readonly store: RecordStore
  readonly clock: Clock
  /** So many origins are kept; those that were written longest ago go. */
  readonly maxOrigins: number
  /** What is to be kept of an origin now. Undefined: nothing, or the origin is not known any more. */
  readonly collect: (originKey: string) => unknown
  /**
   * Puts two versions of what is kept of an origin together, fact by fact. The outcome must be the same in
   * whatever order and however often versions meet: what was read comes back from the store beside what it
   * went into. Either may be any JSON; a version that makes it throw is set aside as damaged.
   */
  readonly merge: (a: unknown, b: unknown) => unknown
  /**
   * What other processes have kept of an origin since. It is written already: who answers with onChanged()
   * makes processes write in turns for ever.
   */
  readonly onLearned?: ((originKey: string, facts: unknown) => void) | undefined
  /** It was written: other processes may want to read it. */
  readonly onWritten?: ((originKey: string) => void) | undefined
  /** The store cannot be used, or what is in it is not ours. For people; the origins concerned start anew. */
  readonly onFault: (message: string) => void
}

/** How long a change waits for others before it is written: what a crash loses. */
const WRITE_DELAY_MS = 1000
/**
 * So many origins are written in one turn of the event loop, at about 0.3 ms each; the rest waits for a later
 * one.
 */
const WRITES_PER_TURN = 16
const NEXT_TURN_MS = 10
/** What others have written is worth less than what passes now. */
const READ_DELAY_MS = 100
const READS_PER_TURN = 16
/**
 * Writing is followed by a pause that is so many times as long: one percent of the time, however many origins
 * change.
 */
const PAUSE_FACTOR = 100
/** A fault that stays is reported once in so long; a directory full of them makes no list without end. */
const FAULT_SILENCE_MS = 3_600_000
const MAX_FAULTS_REPORTED = 256

/** What is there of an origin, put together. */
interface Gathered {
  /** Undefined: nothing. */
  readonly facts: unknown
  /** The part of it that other processes wrote. */
  readonly othersFacts: unknown
  readonly ids: readonly string[]
}

const NOTHING: Gathered = { facts: undefined, othersFacts: undefined, ids: [] }

/**
 * Origin records that outlive the process, and that several processes share: a write puts what lies there,
 * what others have written since, and what is known here together (record-store.ts says why nothing is lost
 * on the way). It is read once per origin, written a second after a change. Nothing here throws: what cannot
 * be read or written is a fault, and the process goes on with what it knows.
 */
export class OriginRecordStore {
  readonly #config: OriginShelfConfig
  readonly #changed = new Set<string>()
  /** What other processes have written, and was not read yet. */
  readonly #writtenElsewhere = new Set<string>()
  /** When each fault was reported. */
  readonly #reported = new Map<string, number>()
  #timer: Timer | undefined
  #restsUntil = Number.NEGATIVE_INFINITY

  constructor(config: OriginShelfConfig) {
    this.#config = config
  }

  /** What is kept of an origin; undefined when that is nothing. */
  read(originKey: string): unknown {
    return this.#try('read', () => this.#gather(originKey))?.facts
  }

  /** There is something else to keep of this origin: it is collected and written soon. */
  onChanged(originKey: string): void {
    this.#changed.add(originKey)
    this.#setTimer(WRITE_DELAY_MS)
  }

  /** Another process has written what it knows of this origin: it is read soon, for `onLearned`. */
  onWrittenElsewhere(originKey: string): void {
    this.#writtenElsewhere.add(originKey)
    this.#setTimer(READ_DELAY_MS)
  }

  forget(originKey: string): void {
    this.#changed.delete(originKey)
    this.#writtenElsewhere.delete(originKey)
    this.#try('written', () => this.#config.store.remove(nameOf(originKey)))
  }

  /** Writes what has changed: of one origin, before it is forgotten in memory, or of all. */
  flush(originKey?: string): void {
    this.#writeSome(originKey === undefined ? [...this.#changed] : [originKey])
    if (this.#changed.size > 0) return
    this.#timer?.cancel()
    this.#timer = undefined
  }

  #setTimer(delayMs: number): void {
    const { clock } = this.#config
    this.#timer ??= clock.setTimer(Math.max(delayMs, this.#restsUntil - clock.now()), () => {
      this.#timer = undefined
      const turn = [...this.#changed]
      const startedAt = clock.now()
      this.#readSome([...this.#writtenElsewhere].slice(0, READS_PER_TURN))
      this.#writeSome(turn.slice(0, WRITES_PER_TURN), startedAt)
      if (turn.length > WRITES_PER_TURN || this.#writtenElsewhere.size > 0) this.#setTimer(NEXT_TURN_MS)
    })
  }

  #readSome(originKeys: readonly string[]): void {
    for (const originKey of originKeys) {
      this.#writtenElsewhere.delete(originKey)
      const others = this.#try('read', () => this.#gather(originKey))?.othersFacts
      if (others !== undefined) this.#config.onLearned?.(originKey, others)
    }
  }

  #writeSome(originKeys: readonly string[], startedAt: number = this.#config.clock.now()): void {
    const { clock, store, maxOrigins } = this.#config
    let hasNew = false
    const failed: string[] = []
    for (const originKey of originKeys) {
      if (!this.#changed.delete(originKey)) continue
      const outcome = this.#write(originKey)
      if (outcome === 'new') hasNew = true
      if (outcome === 'failed') failed.push(originKey)
    }
    for (const originKey of failed) this.#changed.add(originKey) // goes with the next change of any origin
    if (hasNew) this.#try('written', () => store.prune(maxOrigins))
    const endedAt = clock.now()
    this.#restsUntil = endedAt + (endedAt - startedAt) * PAUSE_FACTOR
  }

  #write(originKey: string): 'new' | 'written' | 'nothing' | 'failed' {
    const { store, collect, merge, onLearned, onWritten } = this.#config
    const outcome = this.#try('written', () => {
      const own = collect(originKey)
      if (own === undefined) return 'nothing'
      const { facts, othersFacts, ids } = this.#gather(originKey)
      const bytes = encodeRecordFile(originKey, facts === undefined ? own : merge(facts, own))
      if (bytes === undefined) {
        this.#report(`the record of ${originKey} is too large to be kept`)
        return 'nothing'
      }
      store.replace(nameOf(originKey), bytes, ids)
      onWritten?.(originKey)
      if (othersFacts !== undefined) onLearned?.(originKey, othersFacts)
      return facts === undefined ? 'new' : 'written'
    })
    return outcome ?? 'failed'
  }

  #gather(originKey: string): Gathered {
    const name = nameOf(originKey)
    let gathered = NOTHING
    for (const sibling of this.#config.store.siblings(name)) {
      const file = contentOf(sibling, originKey)
      if (file.kind === 'foreign') continue // another version shares the directory
      const next = file.kind === 'damaged' ? file.because : this.#add(gathered, sibling, file.facts)
      if (typeof next === 'string') this.#setAside(originKey, sibling.id, next)
      else gathered = next
    }
    return gathered
  }

  /** Or why it cannot be added. */
  #add(to: Gathered, { id, isOwn }: Sibling, facts: unknown): Gathered | string {
    const { merge } = this.#config
    // A first one meets itself: what merge cannot take must show before it stands in the way of every write.
    const put = (before: unknown): unknown => merge(before ?? facts, facts)
    try {
      return {
        facts: put(to.facts),
        othersFacts: isOwn ? to.othersFacts : put(to.othersFacts),
        ids: [...to.ids, id],
      }
    } catch (error) {
      return `its facts are not to be understood: ${reasonOf(error)}`
    }
  }

  #setAside(originKey: string, id: string, because: string): void {
    const aside = this.#config.store.setAside(nameOf(originKey), id)
    if (aside === undefined) return
    this.#config.onFault(
      `the record of ${originKey} is not used and starts anew: ${because}; it lies in ${aside} now`,
    )
  }

  #try<T>(verb: 'read' | 'written', work: () => T): T | undefined {
    try {
      return work()
    } catch (error) {
      this.#report(`origin records cannot be ${verb}: ${reasonOf(error)}`)
      return undefined
    }
  }

  #report(fault: string): void {
    const now = this.#config.clock.now()
    const reportedAt = this.#reported.get(fault)
    if (reportedAt !== undefined && now - reportedAt < FAULT_SILENCE_MS) return
    if (this.#reported.size >= MAX_FAULTS_REPORTED) this.#reported.clear()
    this.#reported.set(fault, now)
    this.#config.onFault(fault)
  }
}

/** A key is as long as its host: a file's name is not. */
function nameOf(originKey: string): string {
  return createHash('sha256').update(originKey).digest('base64url')
}

function contentOf({ content }: Sibling, originKey: string): RecordFile {
  if (typeof content === 'string') return { kind: 'damaged', because: content }
  const file = decodeRecordFile(content)
  if (file.kind !== 'record' || file.origin === originKey) return file
  return { kind: 'damaged', because: `it is of ${JSON.stringify(file.origin.slice(0, 200))}` }
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

/**
 * What is kept of an origin, as a file: JSON that people and their tools can read, since no secret is in it,
 * whose first line says the version and the checksum of all that comes after it:
 *
 *     {"version":1,"sha256":"43 characters of base64url",
 *     "origin":"https://example.com",
 *     "facts":{…}}
 *
 * The checksum tells a file that was cut or damaged from a good one (no fsync is called, so that a power
 * failure may leave an empty file). It vouches for nothing: who may write into the directory may write what
 * he likes, and the reader of the facts checks their shape.
 */
type RecordFile =
  | { readonly kind: 'record'; readonly origin: string; readonly facts: unknown }
  /** Written by another version of us, and whole: not to be understood, nor to be removed. */
  | { readonly kind: 'foreign'; readonly version: number }
  | { readonly kind: 'damaged'; readonly because: string }

const VERSION = 1
/** All versions begin like this, so that each knows a file of another one from a damaged one. */
const FIRST_LINE = /^\{"version":([1-9][0-9]{0,5}),"sha256":"([\w-]{43})",\n/
const MAX_FIRST_LINE_BYTES = 96

/**
 * Undefined when the facts are none (JSON has no undefined) or too many. Throws on what JSON cannot say at
 * all, as a circle.
 */
export function encodeRecordFile(origin: string, facts: unknown): Buffer | undefined {
  // By its type a string, but undefined for undefined, a function or a symbol.
  const text = JSON.stringify(facts, undefined, 1) as string | undefined
  if (text === undefined) return undefined
  const rest = `"origin":${JSON.stringify(origin)},\n"facts":${text}}\n`
  const bytes = Buffer.from(`{"version":${VERSION},"sha256":"${checksum(VERSION, rest)}",\n${rest}`)
  return bytes.length <= MAX_SIBLING_BYTES ? bytes : undefined
}

/** Never throws. */
export function decodeRecordFile(bytes: Buffer): RecordFile {
  if (bytes.length > MAX_SIBLING_BYTES) return damaged(`${bytes.length} bytes, more than we write`)
  const head = FIRST_LINE.exec(bytes.toString('latin1', 0, MAX_FIRST_LINE_BYTES))
  if (head === null) return damaged(bytes.length === 0 ? 'empty' : 'not a record of ours')
  const [{ length }, digits, sum] = head
  const version = Number(digits)
  if (checksum(version, bytes.subarray(length)) !== sum)
    return damaged('cut or changed: the checksum does not fit')
  if (version !== VERSION) return { kind: 'foreign', version }
  return parse(bytes.toString('utf8'))
}

function parse(text: string): RecordFile {
  try {
    const record: unknown = JSON.parse(text)
    if (typeof record === 'object' && record !== null && 'origin' in record && 'facts' in record) {
      const { origin, facts } = record
      if (typeof origin === 'string') return { kind: 'record', origin, facts }
    }
  } catch {} // whoever wrote it knew how to make a checksum, and no JSON
  return damaged('not a record of ours, though the checksum fits')
}

function damaged(because: string): RecordFile {
  return { kind: 'damaged', because }
}

/** The version is in it, so that a flipped digit makes no file of another version. */
function checksum(version: number, rest: string | Buffer): string {
  return createHash('sha256').update(`${version}\n`).update(rest).digest('base64url')
}
