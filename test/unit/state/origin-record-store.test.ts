import { createHash } from 'node:crypto'
import { beforeEach, describe, expect, it } from 'vitest'
import {
  decodeRecordFile,
  encodeRecordFile,
  OriginRecordStore,
} from '../../../src/state/origin-record-store.ts'
import { FakeClock } from '../../../src/testing/fake-clock.ts'
import { fc } from '../../support/property.ts'
import { MemoryRecordStore } from './memory-record-store.ts'

const SHOP = 'https://shop.test'
const nameOf = (originKey: string): string => createHash('sha256').update(originKey).digest('base64url')

type Facts = Record<string, number>

/** The larger value of each fact. Throws on what is no object of ours, as a careful merge may. */
function merge(a: unknown, b: unknown): Facts {
  const merged: Facts = {}
  for (const facts of [a, b]) {
    if (typeof facts !== 'object' || facts === null) throw new Error('no facts')
    for (const [fact, value] of Object.entries(facts as Facts))
      merged[fact] = Math.max(merged[fact] ?? 0, value)
  }
  return merged
}

/** A process: what it knows of origins, and its shelf over the shared records. */
class Process {
  readonly clock = new FakeClock()
  /** Time that has passed while nobody could set a timer. */
  busyMs = 0
  readonly known = new Map<string, Facts>()
  readonly faults: string[] = []
  readonly learned: [string, unknown][] = []
  readonly written: string[] = []
  readonly store: MemoryRecordStore
  readonly shelf: OriginRecordStore

  constructor(records: MemoryRecordStore['records'], maxOrigins = 8) {
    this.store = new MemoryRecordStore(records)
    this.shelf = new OriginRecordStore({
      store: this.store,
      clock: {
        now: () => this.clock.now() + this.busyMs,
        setTimer: (delayMs, callback) => this.clock.setTimer(delayMs, callback),
      },
      maxOrigins,
      collect: originKey => this.known.get(originKey),
      merge,
      onLearned: (originKey, facts) => void this.learned.push([originKey, facts]),
      onWritten: originKey => void this.written.push(originKey),
      onFault: message => void this.faults.push(message),
    })
  }

  learn(originKey: string, facts: Facts): void {
    this.known.set(originKey, { ...this.known.get(originKey), ...facts })
    this.shelf.onChanged(originKey)
  }
  writes(): number {
    return this.store.log.filter(call => call === 'replace').length
  }
}

describe('stored origin records', () => {
  let records: MemoryRecordStore['records']
  const start = (maxOrigins?: number): Process => new Process(records, maxOrigins)
  beforeEach(() => {
    records = new Map()
  })

  it('are read by a process that is notified of another one writing them, soon and once', () => {
    const [first, second] = [start(), start()]
    first.learn(SHOP, { tls: 13 })
    first.shelf.flush()
    expect(first.written).toEqual([SHOP])
    for (let i = 0; i < 3; i++) second.shelf.onWrittenElsewhere(SHOP)
    expect(second.learned).toEqual([])
    second.clock.advance(100)
    expect(second.learned).toEqual([[SHOP, { tls: 13 }]])
    second.clock.advance(10_000)
    expect([second.learned.length, second.writes()]).toEqual([1, 0])
  })

  it('are read a few at a time, however many others write, and none of what is forgotten', () => {
    const [first, second] = [start(100), start(100)]
    const origins = Array.from({ length: 40 }, (_, index) => `https://${index}.test`)
    for (const origin of origins) first.learn(origin, { tls: 13 })
    first.shelf.flush()
    for (const origin of origins) second.shelf.onWrittenElsewhere(origin)
    second.shelf.forget('https://0.test')
    second.clock.advance(100)
    expect(second.learned).toHaveLength(16)
    second.clock.advance(1_000)
    expect(second.learned).toHaveLength(39)
  })

  it('outlive the process', () => {
    const first = start()
    first.learn(SHOP, { tls: 13 })
    first.learn('https://other.test', { tls: 12 })
    first.shelf.flush()
    const second = start()
    expect([SHOP, 'https://other.test', 'https://third.test'].map(key => second.shelf.read(key))).toEqual([
      { tls: 13 },
      { tls: 12 },
      undefined,
    ])
    expect(second.faults).toEqual([])
  })

  it('are written a second after a change, once for all that changed', () => {
    const one = start()
    one.learn(SHOP, { a: 1 })
    one.clock.advance(500)
    one.learn(SHOP, { b: 2 })
    one.clock.advance(499)
    expect(one.writes()).toBe(0)
    one.clock.advance(1)
    expect(one.writes()).toBe(1)
    one.clock.advance(60_000)
    expect([one.writes(), one.clock.pendingTimers()]).toEqual([1, 0])
    expect(start().shelf.read(SHOP)).toEqual({ a: 1, b: 2 })
  })

  it('are merged with what other processes wrote, which is reported', () => {
    const [one, other] = [start(), start()]
    one.learn(SHOP, { a: 1, both: 1 })
    one.shelf.flush()
    other.learn(SHOP, { b: 2, both: 2 })
    other.shelf.flush()
    expect(other.learned).toEqual([[SHOP, { a: 1, both: 1 }]])
    one.learn(SHOP, { c: 3 })
    one.shelf.flush()
    expect(one.learned).toEqual([[SHOP, { a: 1, b: 2, both: 2 }]])
    one.learn(SHOP, { c: 4 })
    one.shelf.flush()
    expect(one.learned).toHaveLength(1) // what lay there was its own
    expect(start().shelf.read(SHOP)).toEqual({ a: 1, b: 2, both: 2, c: 4 })
    expect(records.get(nameOf(SHOP))).toHaveLength(1)
  })

  it('lose nothing when another process writes between the reading and the writing', () => {
    const [one, other] = [start(), start()]
    one.learn(SHOP, { a: 1 })
    one.shelf.flush()
    one.learn(SHOP, { a: 2 })
    other.learn(SHOP, { b: 1 })
    one.store.onBetween = () => other.shelf.flush()
    one.shelf.flush()
    expect(records.get(nameOf(SHOP))).toHaveLength(2)
    const third = start()
    expect(third.shelf.read(SHOP)).toEqual({ a: 2, b: 1 })
    third.learn(SHOP, { c: 1 })
    third.shelf.flush()
    expect(records.get(nameOf(SHOP))).toHaveLength(1)
    expect(start().shelf.read(SHOP)).toEqual({ a: 2, b: 1, c: 1 })
  })

  it('that are damaged are set aside and reported once, and start anew', () => {
    const one = start()
    one.learn(SHOP, { a: 1 })
    one.shelf.flush()
    const [kept] = records.get(nameOf(SHOP))!
    kept!.content = (kept!.content as Buffer).subarray(0, 100)
    const second = start()
    expect([second.shelf.read(SHOP), second.shelf.read(SHOP)]).toEqual([undefined, undefined])
    expect(second.faults).toEqual([
      `the record of ${SHOP} is not used and starts anew: cut or changed: the checksum does not fit; it lies in elsewhere now`,
    ])
    second.learn(SHOP, { b: 2 })
    second.shelf.flush()
    expect(start().shelf.read(SHOP)).toEqual({ b: 2 })
  })

  it('leave good siblings in use when one is damaged, unreadable, of another origin, or not to be merged', () => {
    const one = start()
    one.learn(SHOP, { a: 1 })
    one.shelf.flush()
    one.store.put(nameOf(SHOP), Buffer.from('garbage'))
    one.store.put(nameOf(SHOP), 'it is a directory')
    one.store.put(nameOf(SHOP), encodeRecordFile('https://evil.test', { a: 7 })!)
    one.store.put(nameOf(SHOP), encodeRecordFile(SHOP, 'no object')!)
    const second = start()
    expect(second.shelf.read(SHOP)).toEqual({ a: 1 })
    expect(second.faults).toEqual(
      [
        'not a record of ours',
        'it is a directory',
        'it is of "https://evil.test"',
        'its facts are not to be understood: no facts',
      ].map(because => expect.stringContaining(because)),
    )
    expect(records.get(nameOf(SHOP))).toHaveLength(1)
  })

  it('that merge refuses do not prevent the writing', () => {
    const one = start()
    one.store.put(nameOf(SHOP), encodeRecordFile(SHOP, 'no object')!)
    one.learn(SHOP, { a: 1 })
    one.shelf.flush()
    expect(one.faults).toEqual([expect.stringContaining('its facts are not to be understood: no facts')])
    expect(start().shelf.read(SHOP)).toEqual({ a: 1 })
  })

  it('are never read from garbage, whatever it is, and replace it', () => {
    const garbage = fc.uint8Array({ maxLength: 500 }).map(bytes => Buffer.from(bytes))
    fc.assert(
      fc.property(fc.array(fc.oneof(garbage, fc.string()), { minLength: 1, maxLength: 4 }), contents => {
        records.clear()
        const one = start()
        for (const content of contents) one.store.put(nameOf(SHOP), content)
        expect(one.shelf.read(SHOP)).toBeUndefined()
        expect(one.faults).toHaveLength(contents.length)
        one.learn(SHOP, { a: 1 })
        one.shelf.flush()
        expect(start().shelf.read(SHOP)).toEqual({ a: 1 })
      }),
    )
  })

  it('of another version stay where they are', () => {
    const one = start()
    const rest = '"what":"ever"}'
    const sum = createHash('sha256').update(`2\n${rest}`).digest('base64url')
    one.store.put(nameOf(SHOP), Buffer.from(`{"version":2,"sha256":"${sum}",\n${rest}`))
    one.learn(SHOP, { a: 1 })
    one.shelf.flush()
    expect([one.shelf.read(SHOP), one.faults]).toEqual([{ a: 1 }, []])
    const kinds = records.get(nameOf(SHOP))!.map(({ content }) => decodeRecordFile(content as Buffer).kind)
    expect(kinds).toEqual(['foreign', 'record'])
  })

  it('are bounded in number, and the newest stay', () => {
    const one = start(3)
    for (const letter of ['a', 'b', 'c', 'd', 'e']) one.learn(`https://${letter}.test`, { x: 1 })
    one.shelf.flush()
    expect([...records.keys()]).toEqual(['c', 'd', 'e'].map(letter => nameOf(`https://${letter}.test`)))
    one.learn('https://c.test', { x: 2 })
    one.shelf.flush()
    expect(one.store.log.filter(call => call === 'prune 3')).toHaveLength(1) // no new one came
  })

  it('are written a few in a turn, and never for long', () => {
    const one = start(100)
    for (let i = 0; i < 40; i++) one.learn(`https://${i}.test`, { x: 1 })
    one.clock.advance(1_000)
    expect(one.writes()).toBe(16)
    one.clock.advance(10)
    expect(one.writes()).toBe(32)
    one.clock.advance(10)
    expect([one.writes(), one.clock.pendingTimers()]).toEqual([40, 0])
  })

  it('are followed by a pause a hundred times as long as their writing', () => {
    const one = start()
    one.store.onBetween = () => {
      one.busyMs += 50 // a slow disk
    }
    one.learn(SHOP, { a: 1 })
    one.clock.advance(1_000)
    expect(one.writes()).toBe(1)
    one.learn(SHOP, { a: 2 })
    one.clock.advance(4_999)
    expect(one.writes()).toBe(1)
    one.clock.advance(1)
    expect(one.writes()).toBe(2)
  })

  it('are written one by one on demand, without a pause', () => {
    const one = start()
    one.learn(SHOP, { a: 1 })
    one.learn('https://other.test', { a: 1 })
    one.shelf.flush(SHOP)
    one.shelf.flush('https://never.heard.of')
    expect([one.writes(), one.clock.pendingTimers()]).toEqual([1, 1])
    one.shelf.flush()
    expect([one.writes(), one.clock.pendingTimers()]).toEqual([2, 0])
  })

  it('are forgotten, including what was to be written', () => {
    const one = start()
    one.learn(SHOP, { a: 1 })
    one.shelf.flush()
    one.learn(SHOP, { b: 1 })
    one.shelf.forget(SHOP)
    one.shelf.flush()
    expect([records.size, one.shelf.read(SHOP)]).toEqual([0, undefined])
  })

  it('are not written when they are empty, or too large', () => {
    const one = start()
    one.shelf.onChanged(SHOP)
    one.learn('https://large.test', Object.fromEntries(Array.from({ length: 9_000 }, (_, i) => [`f${i}`, i])))
    one.shelf.flush()
    expect([records.size, one.faults]).toEqual([
      0,
      ['the record of https://large.test is too large to be kept'],
    ])
  })

  it('stay in memory alone while the store fails, which is reported once an hour, and are written after that', () => {
    const one = start()
    one.store.fault = new Error('the disk is full')
    for (let i = 0; i < 10; i++) {
      one.learn(SHOP, { a: i })
      one.clock.advance(1_000)
      expect(one.shelf.read(SHOP)).toBeUndefined()
    }
    one.shelf.forget('https://other.test')
    expect(one.faults).toEqual([
      'origin records cannot be written: the disk is full',
      'origin records cannot be read: the disk is full',
    ])
    one.clock.advance(3_600_000)
    one.shelf.read(SHOP)
    expect(one.faults).toHaveLength(3)
    one.store.fault = undefined
    one.learn('https://other.test', { b: 1 })
    one.clock.advance(1_000)
    expect(one.shelf.read(SHOP)).toEqual({ a: 9 })
  })

  it('contain what their owner throws', () => {
    const one = start()
    one.known.set(SHOP, 7 as unknown as Facts)
    one.store.put(nameOf(SHOP), encodeRecordFile(SHOP, { a: 1 })!)
    one.shelf.onChanged(SHOP)
    one.shelf.flush()
    expect(one.faults).toEqual(['origin records cannot be written: no facts'])
    expect(one.shelf.read(SHOP)).toEqual({ a: 1 })
  })
})

const ORIGIN = 'https://shop.test'
const FACTS = { tls: { value: 'TLSv1.3', at: 1_700_000_000_000 }, addresses: ['192.0.2.1'] }

/** A file whose checksum fits, whatever is in it. */
function fileOf(version: number, rest: string): Buffer {
  const sum = createHash('sha256').update(`${version}\n${rest}`).digest('base64url')
  return Buffer.from(`{"version":${version},"sha256":"${sum}",\n${rest}`)
}

describe('the file of an origin record', () => {
  it('is JSON that a person can read', () => {
    const text = encodeRecordFile(ORIGIN, FACTS)!.toString()
    expect(JSON.parse(text)).toEqual({
      version: 1,
      sha256: expect.stringMatching(/^[\w-]{43}$/),
      origin: ORIGIN,
      facts: FACTS,
    })
    expect(text.split('\n')).toContain('  "at": 1700000000000')
  })

  it('is read as it was written, whatever the facts are', () => {
    fc.assert(
      fc.property(fc.string(), fc.jsonValue(), (origin, value) => {
        const facts: unknown = JSON.parse(JSON.stringify(value)) // without -0
        expect(decodeRecordFile(encodeRecordFile(origin, facts)!)).toEqual({ kind: 'record', origin, facts })
      }),
    )
  })

  it('is damaged by every cut, every byte too many, and every byte that was changed', () => {
    const bytes = encodeRecordFile(ORIGIN, FACTS)!
    const kindOf = (changed: Buffer): string => decodeRecordFile(changed).kind
    for (let length = 0; length < bytes.length; length++) {
      expect(kindOf(bytes.subarray(0, length)), `${length} bytes`).toBe('damaged')
    }
    expect(kindOf(Buffer.concat([bytes, Buffer.from(' ')]))).toBe('damaged')
    for (let at = 0; at < bytes.length; at++) {
      for (const bit of [1, 2, 128]) {
        const changed = Buffer.from(bytes)
        changed[at]! ^= bit
        expect(kindOf(changed), `bit ${bit} of byte ${at}`).toBe('damaged')
      }
    }
  })

  it('is read from any bytes without a throw, and is a record only if it is one', () => {
    const garbage = fc.uint8Array({ maxLength: 2_000 }).map(array => Buffer.from(array))
    const head = encodeRecordFile(ORIGIN, FACTS)!.subarray(0, 72)
    const withOurHead = garbage.map(bytes => Buffer.concat([head, bytes]))
    fc.assert(
      fc.property(fc.oneof(garbage, withOurHead), bytes => {
        expect(decodeRecordFile(bytes).kind).toBe('damaged')
      }),
      { numRuns: 2_000 },
    )
  })

  it('with a valid checksum is a record only if it has the shape of one', () => {
    fc.assert(
      fc.property(fc.string(), rest => {
        expect(decodeRecordFile(fileOf(1, rest)).kind).toBe('damaged')
      }),
    )
    const shapes = ['"facts":1}', '"origin":"o"}', '"origin":7,"facts":1}', '"origin":"o","facts":1} x']
    for (const shape of shapes) expect(decodeRecordFile(fileOf(1, shape)).kind, shape).toBe('damaged')
    expect(decodeRecordFile(fileOf(1, '"origin":"o","facts":1}')).kind).toBe('record')
  })

  it('of another version is foreign when it is whole', () => {
    const whole = fileOf(2, 'whatever comes to be written')
    expect(decodeRecordFile(whole)).toEqual({ kind: 'foreign', version: 2 })
    expect(decodeRecordFile(whole.subarray(0, -1)).kind).toBe('damaged')
  })

  it('is reported with its fault', () => {
    const because = (bytes: Buffer): unknown => decodeRecordFile(bytes)
    expect(because(Buffer.alloc(0))).toMatchObject({ because: 'empty' })
    expect(because(Buffer.from('garbage'))).toMatchObject({ because: 'not a record of ours' })
    expect(because(Buffer.alloc(65_537))).toMatchObject({ because: '65537 bytes, more than we write' })
    expect(because(encodeRecordFile(ORIGIN, FACTS)!.subarray(0, 100))).toMatchObject({
      because: 'cut or changed: the checksum does not fit',
    })
  })

  it('has 64 KiB at the most', () => {
    const overhead = encodeRecordFile(ORIGIN, '')!.length
    const largest = 'x'.repeat(65_536 - overhead)
    expect(encodeRecordFile(ORIGIN, largest)).toHaveLength(65_536)
    expect(encodeRecordFile(ORIGIN, `${largest}x`)).toBeUndefined()
  })

  it('contains nothing that JSON cannot express', () => {
    expect(encodeRecordFile(ORIGIN, undefined)).toBeUndefined()
    expect(() => encodeRecordFile(ORIGIN, 7n)).toThrow()
  })
})
