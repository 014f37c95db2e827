import { statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { FileStore } from '../../../src/state/store.ts'
import { startShelfProcess } from '../../support/record-store-process.ts'
import { makeTemporaryDirectory, type TemporaryDirectory } from '../../support/temporary-directory.ts'

const PROCESSES = 4
const RECORDS = 400

/** Waits for the others, so that all begin in the same moment. */
const TOGETHER = `
import { existsSync } from 'node:fs'
say('ready')
while (!existsSync(directory + '/go')) {}
`

describe('a ticket store that several processes use at the same time', () => {
  let temporary: TemporaryDirectory
  beforeEach(() => {
    temporary = makeTemporaryDirectory('shared-tickets')
  })
  afterEach(() => temporary.remove())

  /** What each process says at its end. */
  async function together(body: string): Promise<string[]> {
    const processes = Array.from({ length: PROCESSES }, (_, number) =>
      startShelfProcess(temporary.path, number, `${TOGETHER}\n${body}`),
    )
    await Promise.all(processes.map(({ hasSaid }) => hasSaid(1)))
    writeFileSync(join(temporary.path, 'go'), '')
    expect(await Promise.all(processes.map(({ ended }) => ended))).toEqual(Array(PROCESSES).fill(0))
    return processes.map(({ lines }) => lines[1] ?? '')
  }

  it('gives each ticket to one of them', async () => {
    const store = new FileStore(temporary.path)
    const names = Array.from({ length: RECORDS }, (_, index) => `peer${index}`)
    for (const name of names) store.write(name, Buffer.from(`ticket of ${name}`))
    const said = await together(`
      const store = new FileStore(directory)
      const got = []
      for (let i = 0; i < ${RECORDS}; i++) {
        const record = store.claim('peer' + i)
        if (record !== undefined) got.push(record.toString())
      }
      say(JSON.stringify(got))`)
    const got = said.map(line => JSON.parse(line) as string[])
    expect(got.flat().sort()).toEqual(names.map(name => `ticket of ${name}`).sort())
    expect(got.filter(list => list.length > 0).length, 'more than one of them had luck').toBeGreaterThan(1)
  })

  it('gets one key, whoever makes it', async () => {
    const said = await together(`say(new FileStore(directory).key().toString('hex'))`)
    expect(new Set(said)).toEqual(new Set([new FileStore(temporary.path).key().toString('hex')]))
    expect(statSync(join(temporary.path, 'key')).mode & 0o777).toBe(0o600)
  })
})
