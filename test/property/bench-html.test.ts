import { describe, expect, it } from 'vitest'
import { escapeText } from '../../src/bench/report/html/markup.ts'
import { renderHtml } from '../../src/bench/report/html.ts'
import { summarizeCase } from '../../src/bench/results/summaries.ts'
import { syntheticResultFile } from '../support/bench-result-file.ts'
import { parseStrictHtml } from '../support/html-tree.ts'
import { fc } from '../support/property.ts'

/** What breaks out of a page that is put together carelessly, amid whatever else there is. */
const hostile = fc.oneof(
  fc.constantFrom(
    '<script>alert(1)</script>',
    '"><img src=x onerror=alert(1)>',
    "' onload='alert(1)",
    '</style><script>',
    '</title></svg>',
    '<!--',
    ']]>',
    '&lt;b&gt; &amp;',
    '&#x3c;script&#x3e;',
    '\u202egnp.exe',
    'a\0b',
    '__proto__',
    'constructor',
    '',
    ' ',
  ),
  fc.string({ unit: 'binary', maxLength: 60 }),
)

const figure = fc.oneof(
  fc.double(),
  fc.double({ min: 0, max: 1_000, noNaN: true }),
  fc.constantFrom(0, -0, 5e-324, 1e15, -1e15, 1e308, null as never), // null: NaN that has been through JSON
)

const phaseName = fc.constantFrom('queue', 'dns', 'connect', 'tls', 'waiting', 'body')

const detail = fc.record(
  {
    latency: fc.record({
      buckets: fc.array(fc.tuple(figure, figure), { maxLength: 20 }),
      count: figure,
      minUs: figure,
      maxUs: figure,
    }),
    objects: fc.array(
      fc.record({ label: hostile, startedAtMs: figure, endedAtMs: figure, hasFailed: fc.boolean() }),
      { maxLength: 20 },
    ),
    phases: fc.array(fc.record({ name: phaseName, startMs: figure, endMs: figure }), { maxLength: 8 }),
    connections: fc.array(fc.record({ atMs: figure, open: figure }), { maxLength: 8 }),
  },
  { requiredKeys: [] },
)

describe('renderHtml', () => {
  it('shows hostile text as text, wherever a file can hold any', () => {
    fc.assert(
      fc.property(fc.uniqueArray(hostile, { minLength: 8, maxLength: 8 }), texts => {
        const [subject, name, scenario, title, note, reason, version, setting] = texts as [
          string,
          string,
          string,
          string,
          string,
          string,
          string,
          string,
        ] // minLength, maxLength
        const file = syntheticResultFile({ subjects: [{ subject, ms: 10 }], rounds: 2, requests: 20 })
        const result = file.results[0]! // it has one, with one case
        const page = renderHtml({
          ...file,
          arguments: [note],
          settings: { [setting]: setting, nested: { [setting]: [setting] } },
          machine: { ...file.machine, versions: { [version]: version } },
          results: [
            {
              ...result,
              scenario,
              description: note,
              limits: [note],
              metrics: result.metrics.map(metric => ({ ...metric, title })),
              unavailable: [{ subject, because: reason }],
              cases: result.cases.map(entry => ({ ...entry, name, notes: [note] })),
            },
          ],
        })
        const elements = parseStrictHtml(page)
        const text = elements.find(({ name }) => name === 'body')?.text ?? ''
        for (const expected of texts) expect(text).toContain(unescaped(escapeText(expected)))
        expect(elements.filter(({ name }) => name === 'script' || name === 'img')).toEqual([])
        expect(
          elements.flatMap(({ attributes }) => [...attributes.keys()]).filter(key => key.startsWith('on')),
        ).toEqual([])
      }),
      { numRuns: 60 },
    )
  })

  it('draws any figures, or leaves them out', () => {
    fc.assert(
      fc.property(
        fc.uniqueArray(fc.record({ subject: hostile, rounds: fc.array(figure, { maxLength: 8 }), detail }), {
          selector: ({ subject }) => subject,
          maxLength: 4,
        }),
        subjects => {
          const file = syntheticResultFile({ rounds: 1, requests: 2 })
          const rounds = new Map(
            subjects.map(({ subject, rounds }) => [subject, rounds.map(p50Ms => ({ p50Ms }))]),
          )
          const summary = summarizeCase('case', rounds, 'p50Ms', () => [subjects[0]?.subject ?? ''])
          const entry = {
            ...summary,
            subjects: summary.subjects.map((all, i) => ({
              ...all,
              ...(subjects[i] && { detail: subjects[i].detail }),
            })),
          }
          const page = renderHtml({
            ...file,
            results: file.results.map(result => ({ ...result, cases: [entry] })),
          })
          for (const { attributes } of parseStrictHtml(page)) {
            for (const key of ['d', 'x', 'y', 'width', 'height', 'transform', 'viewBox']) {
              expect(attributes.get(key) ?? '').not.toMatch(/NaN|Infinity|undefined|null|e[+-]/)
            }
          }
        },
      ),
      { numRuns: 120 },
    )
  })
})

function unescaped(text: string): string {
  const characters: Readonly<Record<string, string>> = {
    '&lt;': '<',
    '&gt;': '>',
    '&quot;': '"',
    '&#39;': "'",
    '&amp;': '&',
  }
  return text.replace(/&[^;]+;/g, entity => characters[entity] ?? entity)
}
