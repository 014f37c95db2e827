import { readdirSync, readFileSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import {
  MAX_RESULT_BYTES,
  parseResultFile,
  ResultFileError,
  readResultFile,
} from '../../../../src/bench/results/read-result-file.ts'
import { type ResultFile, resultText, writeResultFile } from '../../../../src/bench/results/result-file.ts'
import { summarizeLoad } from '../../../../src/bench/results/summarize-load.ts'
import { makeTemporaryDirectory } from '../../../support/temporary-directory.ts'
import { roundOf, upTo } from '../load-report-of.ts'
import { resultFileOf } from '../result-file-of.ts'

const stored = fileURLToPath(new URL('../../../../bench/results', import.meta.url))

const withEverything = (): ResultFile => {
  const full = roundOf(upTo(200), {
    objects: [{ label: 'page', startedAtMs: 0, firstByteAtMs: 1, endedAtMs: 2, hasFailed: true }],
    phases: [{ name: 'dns', startMs: 0, endMs: 0.5 }],
    connections: [{ atMs: 0.25, open: 1 }],
  })
  const result = summarizeLoad(
    new Map([
      ['h1', upTo(7).map(() => full)],
      ['h2', upTo(7).map(() => full)],
    ]),
    { name: 'warm', compared: ['p50Ms'], references: () => ['h1'] },
  )
  return resultFileOf({
    ...result,
    aims: [
      { subject: 'h2', metric: 'p50Ms', to: 'h1', atMost: 1, measured: 1, met: true },
      { subject: 'h2', metric: 'none', atLeast: 1, measured: undefined, met: false },
    ],
    notes: ['a note'],
  })
}

describe('readResultFile', () => {
  it.each(readdirSync(stored).filter(name => name.endsWith('.json')))('reads %s', name => {
    const file = readResultFile(join(stored, name))
    expect(file.results.length).toBeGreaterThan(0)
    for (const { cases, metrics } of file.results) {
      const keys = metrics.map(({ key }) => key)
      for (const { subjects } of cases) {
        // Whoever stands in a table has a figure in one of its columns.
        for (const { median } of subjects)
          expect(keys.some(key => typeof median[key] === 'number')).toBe(true)
      }
    }
  })

  it('reads all that is written', () => {
    using directory = makeTemporaryDirectory('results')
    const file = withEverything()
    expect(file.results[0]?.cases[0]?.ratios[0]?.interval).toBeDefined()
    const path = writeResultFile(directory.path, file)
    // Written again it is the same document: figures were rounded the first time.
    expect(JSON.parse(resultText(readResultFile(path)))).toEqual(JSON.parse(readFileSync(path, 'utf8')))
  })

  it('writes the material of charts in one line, and everything else in many', () => {
    const lines = resultText(withEverything()).split('\n')
    const details = lines.filter(line => line.includes('"detail"'))
    expect(details.length).toBeGreaterThan(0)
    for (const line of details) expect(line).toContain('"latency":{"buckets":[[')
    expect(lines.find(line => line.includes('"pairs"'))).toMatch(/^ {14}"pairs": \d+,?$/)
    // A list of nothing, a hole in a list, a field that is not there.
    const odd = { ...withEverything(), settings: { none: [], hole: [undefined, 1], gone: undefined } }
    expect(JSON.parse(resultText(odd))).toEqual(
      JSON.parse(
        JSON.stringify({ format: 1, ...odd }, (_, value) =>
          typeof value === 'number' && !Number.isInteger(value) ? Number(value.toPrecision(6)) : value,
        ),
      ),
    )
  })

  it('leaves out figures that JSON could not write', () => {
    const [first] = parseResultFile(
      resultText(
        resultFileOf({ name: 'x', ratios: [], subjects: [subject({ p50Ms: Number.NaN, failures: 1 })] }),
      ),
      'x',
    ).results
    expect(first?.cases[0]?.subjects[0]).toEqual(subject({ failures: 1 }))
  })

  it('keeps what it does not know', () => {
    const text = resultText(withEverything()).replace('"warm"', '"warm", "later": [1]')
    expect(parseResultFile(text, 'x').results[0]?.cases[0]).toMatchObject({ name: 'warm', later: [1] })
  })

  it.each([
    [
      'another format',
      { format: 2 },
      'x.json: not a result file of this version: this version reads format 1: format:',
    ],
    ['no object', 7, 'x.json: not a result file of this version: Invalid input: expected object'],
    [
      'no results',
      {},
      'x.json: not a result file of this version: startedAt: Invalid input: expected string, received undefined',
    ],
  ])('says of %s what it is', (_name, document, message) => {
    const parse = (): unknown => parseResultFile(JSON.stringify(document), 'x.json')
    expect(parse).toThrow(ResultFileError)
    expect(parse).toThrow(message)
  })

  it('names the path of what is wrong, and does not go on forever', () => {
    const text = resultText(withEverything())
    expect(() => parseResultFile(text.replace('"coverage": 0.984375', '"coverage": 2'), 'x')).toThrow(
      'results[0].cases[0].ratios[0].interval.coverage: Too big',
    )
    expect(() => parseResultFile(text.replace('"dns"', '"lunch"'), 'x')).toThrow(
      'results[0].cases[0].subjects[0].detail.phases[0].name: Invalid option',
    )
    expect(() => parseResultFile(text.replace(/"maxUs": ?\d+/g, '"maxUs": -1'), 'x')).toThrow(/and 1 more$/)
  })

  it('refuses what is no JSON, no file or too large, by its name', () => {
    using directory = makeTemporaryDirectory('results')
    const path = join(directory.path, 'a.json')
    expect(() => readResultFile(path)).toThrow(/a\.json: ENOENT/)
    writeFileSync(path, readFileSync(join(stored, readdirSync(stored)[0] ?? '')).subarray(0, 100))
    expect(() => readResultFile(path)).toThrow(/a\.json: no JSON/)
    truncateSync(path, MAX_RESULT_BYTES + 1)
    expect(() => readResultFile(path)).toThrow(`${path}: ${MAX_RESULT_BYTES + 1} bytes`)
    expect(() => readResultFile(directory.path)).toThrow(/not a regular file/)
  })
})

function subject(figures: Readonly<Record<string, number>>) {
  return { subject: 'a', rounds: [figures], median: figures }
}
