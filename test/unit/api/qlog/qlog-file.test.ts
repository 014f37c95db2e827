import {
  closeSync,
  existsSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { QlogEvent } from '../../../../src/api/qlog/qlog-events.ts'
import { QlogFile } from '../../../../src/api/qlog/qlog-file.ts'
import { type QlogOptions, qlogObserver } from '../../../../src/api/qlog/qlog-observer.ts'
import { FakeClock } from '../../../../src/testing/fake-clock.ts'
import { readTrace } from '../../../support/json-sequence.ts'
import { makeTemporaryDirectory, type TemporaryDirectory } from '../../../support/temporary-directory.ts'
import { DECISION, exchange, SHOP } from './events.ts'

let temporary: TemporaryDirectory
let directory: string

beforeEach(() => {
  temporary = makeTemporaryDirectory('qlog')
  directory = join(temporary.path, 'not', 'there', 'yet')
})
afterEach(() => temporary.remove())

const EVENT: QlogEvent = { time: 1, name: 'middlemile:evidence', data: { fact: 'x'.repeat(200) } }

function setUp(changes: Omit<Partial<QlogOptions>, 'clock'> = {}) {
  const clock = new FakeClock(5_000)
  const faults: string[] = []
  const options = { directory, clock, onFault: (message: string) => void faults.push(message), ...changes }
  return { clock, faults, options }
}

function fileIn(path: string): string {
  const names = readdirSync(path)
  expect(names).toHaveLength(1)
  return join(path, names[0]!)
}

describe('a qlog file', () => {
  it('is made in its directory, private, named by time and process, with its header at once', () => {
    const { options } = setUp()
    const file = new QlogFile({ ...options, maxBytes: 1_000_000 })
    const path = fileIn(directory)
    expect(path).toMatch(
      new RegExp(`/middlemile-\\d{4}-\\d\\d-\\d\\dT\\d{6}\\.\\d{3}Z-${process.pid}\\.sqlog$`),
    )
    expect(statSync(path).mode & 0o777).toBe(0o600)
    expect(statSync(directory).mode & 0o777).toBe(0o700)
    expect(readTrace(readFileSync(path, 'utf8')).header).toMatchObject({
      file_schema: 'urn:ietf:params:qlog:file:sequential',
    })
    file.close()
  })

  it('takes events in few writes: after a second, or when enough has come', async () => {
    const { options, clock } = setUp()
    const file = new QlogFile({ ...options, maxBytes: 10_000_000 })
    const path = fileIn(directory)
    const count = () => readTrace(readFileSync(path, 'utf8')).events.length
    file.write(EVENT)
    file.write(EVENT)
    expect(count()).toBe(0)
    clock.advance(1_000)
    await expect.poll(count).toBe(2)
    for (let i = 0; i < 1_000; i++) file.write(EVENT)
    await expect.poll(count).toBeGreaterThan(200) // without a timer
    file.close()
    expect(count()).toBe(1_002)
    expect(clock.pendingTimers(), 'a closed file has no timer').toBe(0)
    file.write(EVENT)
    file.close()
    expect(count(), 'a closed file takes nothing').toBe(1_002)
  })

  it('writes in order, whole, whatever is being written when it is closed', () => {
    const { options } = setUp()
    const file = new QlogFile({ ...options, maxBytes: 100_000_000 })
    for (let i = 0; i < 5_000; i++) file.write({ ...EVENT, time: i })
    file.close()
    const read = () => readTrace(readFileSync(fileIn(directory), 'utf8')).events.map(({ time }) => time)
    return expect.poll(read).toEqual(Array.from({ length: 5_000 }, (_, i) => i))
  })

  it('drops and counts what comes faster than it can be written', async () => {
    const { options, clock } = setUp()
    const file = new QlogFile({ ...options, maxBytes: 100_000_000 })
    for (let i = 0; i < 30_000; i++) file.write(EVENT) // no turn of the loop, and so no end of a write
    const events = () => readTrace(readFileSync(fileIn(directory), 'utf8')).events
    await expect
      .poll(() => {
        clock.advance(1_000)
        return events().some(({ data }) => /^\d+ events were dropped/.test(String(data['message'])))
      })
      .toBe(true)
    file.close()
    expect(events().length).toBeLessThan(30_000)
  })

  it('never takes the file of another', () => {
    const files = Array.from({ length: 20 }, () => new QlogFile({ ...setUp().options, maxBytes: 1_000_000 }))
    expect(readdirSync(directory)).toHaveLength(20)
    for (const file of files) file.close()
  })

  it('reports once that it is full, and takes no more', () => {
    const { options, faults } = setUp()
    const file = new QlogFile({ ...options, maxBytes: 5_000 })
    for (let i = 0; i < 100; i++) file.write(EVENT)
    const path = fileIn(directory)
    const { events } = readTrace(readFileSync(path, 'utf8'))
    expect(events.at(-1)).toMatchObject({ name: 'loglevel:warning' })
    expect(events.length).toBeLessThan(25)
    // The last word may stand above the limit.
    expect(statSync(path).size).toBeLessThan(5_200)
    expect(faults).toEqual(['the qlog file has come to 5000 bytes: nothing more is written to it'])
  })

  it('that cannot be made is a fault that is reported once and not fatal', () => {
    const blocker = join(temporary.path, 'file')
    writeFileSync(blocker, '')
    const { options, faults } = setUp({ directory: join(blocker, 'below') })
    const { observer, close } = qlogObserver(options)
    observer({ type: 'decision', origin: SHOP, decision: DECISION })
    close()
    expect(faults).toEqual([expect.stringMatching(/^no qlog in .*ENOTDIR/)])
  })

  it.skipIf(!existsSync('/proc/self/fd'))(
    'that can no longer be written is a fault that is reported once and not fatal',
    async () => {
      const { options, faults, clock } = setUp()
      const file = new QlogFile({ ...options, maxBytes: 1_000_000 })
      file.write(EVENT)
      closeSync(descriptorOf(fileIn(directory)))
      clock.advance(5_000)
      await expect.poll(() => faults).toEqual([expect.stringMatching(/^qlog: EBADF/)])
      file.write(EVENT)
      file.close()
      expect(faults).toHaveLength(1)
      expect(clock.pendingTimers()).toBe(0)
    },
  )
})

function descriptorOf(path: string): number {
  const isIt = (name: string) => {
    try {
      return readlinkSync(join('/proc/self/fd', name)) === path
    } catch {
      return false // the one that read the directory
    }
  }
  return Number(readdirSync('/proc/self/fd').find(isIt))
}

describe('the qlog observer', () => {
  it('writes the events of the transport, with times that count from its creation', () => {
    const { options, clock } = setUp()
    const { observer, close } = qlogObserver(options)
    clock.advance(12.345_678)
    observer({ type: 'decision', origin: SHOP, decision: DECISION })
    observer(exchange())
    close()
    const { events } = readTrace(readFileSync(fileIn(directory), 'utf8'))
    expect(events.map(({ time, name, group_id }) => [time, name, group_id])).toEqual([
      [12.346, 'middlemile:decision', 'https://shop.example'],
    ])
  })

  it('writes exchanges only when they are asked for, without their query', () => {
    const { options } = setUp({ exchanges: true })
    const { observer, close } = qlogObserver(options)
    observer(exchange())
    close()
    const text = readFileSync(fileIn(directory), 'utf8')
    expect(readTrace(text).events).toMatchObject([{ name: 'middlemile:exchange_ended' }])
    expect(text).not.toContain('secret')
  })
})
