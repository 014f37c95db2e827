import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { microPath, noteOf, readStored, storeMicroFile } from '../../../../bench/micro/micro-file.ts'
import { microFile } from './micro-result-of.ts'

const file = microFile({ http1: { parse: [{ ns: 1234.5, calibrationNs: 10_000 }] } })

describe('storeMicroFile', () => {
  let directory: string
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'micro-'))
  })
  afterEach(() => rmSync(directory, { recursive: true }))

  it('keeps the last result for each kind of machine, with its note', () => {
    storeMicroFile(directory, { ...file, note: 'the first' })
    const path = storeMicroFile(directory, { ...file, note: 'the second' })
    expect(path).toBe(join(directory, 'test-cpu_2-cores_node-20.20.2.json'))
    const stored = readStored(directory, file.machine)
    expect(stored).toMatchObject({ settings: file.settings, results: file.results })
    expect(noteOf(stored!)).toBe('the second')
  })

  it('finds nothing for another kind of machine', () => {
    storeMicroFile(directory, file)
    expect(readStored(directory, { ...file.machine, cores: 64 })).toBeUndefined()
    expect(noteOf(readStored(directory, file.machine)!)).toBeUndefined()
  })

  it('does not treat a broken file as a missing one', () => {
    writeFileSync(microPath(directory, file.machine), '{')
    expect(() => readStored(directory, file.machine)).toThrow('no JSON')
  })
})
