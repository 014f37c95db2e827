import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { renderHtml } from '../../../../src/bench/report/html.ts'
import type { ResultFile } from '../../../../src/bench/results/result-file.ts'
import { syntheticResultFile } from '../../../support/bench-result-file.ts'
import { type HtmlElement, parseStrictHtml } from '../../../support/html-tree.ts'

const results = fileURLToPath(new URL('../../../../bench/results', import.meta.url))
const stored = readdirSync(results).filter(name => name.endsWith('.json'))

const named = (elements: readonly HtmlElement[], name: string) =>
  elements.filter(element => element.name === name)
const charts = (elements: readonly HtmlElement[]) =>
  named(elements, 'figure').map(({ attributes }) => attributes.get('data-chart'))

function expectSound(page: string): readonly HtmlElement[] {
  const elements = parseStrictHtml(page)
  const ids = elements.flatMap(({ attributes }) => attributes.get('id') ?? [])
  expect(new Set(ids).size).toBe(ids.length)
  for (const { attributes } of elements) {
    for (const id of attributes.get('aria-labelledby')?.split(' ') ?? []) expect(ids).toContain(id)
    const href = attributes.get('href') ?? 'data:,'
    expect(href === 'data:,' || ids.includes(href.slice(1))).toBe(true)
  }
  for (const drawing of named(elements, 'svg')) {
    expect(drawing.attributes.get('role') ?? drawing.attributes.get('aria-hidden')).toMatch(/^(img|true)$/)
  }
  expect(page).not.toMatch(/<script|\bon\w+="|https?:\/\/(?!origin\.example)|@import|NaN|Infinity|undefined/)
  return elements
}

describe('renderHtml', () => {
  it('has a chart for everything that has data', () => {
    const elements = expectSound(renderHtml(syntheticResultFile()))
    expect(charts(elements)).toEqual([
      'ratio',
      'ratio',
      'latency',
      'firstByte',
      'objects',
      'phases',
      'connections',
      ...Array.from({ length: 5 }, () => 'metric'), // all but the failures, of which there are none
    ])
  })

  it('contains no script and loads nothing', () => {
    const [policy] = named(parseStrictHtml(renderHtml(syntheticResultFile())), 'meta').filter(
      ({ attributes }) => attributes.has('http-equiv'),
    )
    expect(policy?.attributes.get('content')).toBe(
      "default-src 'none'; style-src 'unsafe-inline'; img-src data:",
    )
  })

  it('says what was found, which aims were missed and what is missing, from the figures', () => {
    const summary = summaryOf(syntheticResultFile())
    expect(summary).toMatch(
      /p50 ms, least: h\d with 4\d\.\d, h\d with 4\d\.\d: no difference shown between these two/,
    )
    expect(headerOf(syntheticResultFile())).toContain('Aims: 1 met, 1 missed, 1 not measured.')
    expect(caveatsOf(syntheticResultFile())).toContain('Not measured: curl.')
    const apart = syntheticResultFile({
      subjects: [
        { subject: 'slow', ms: 100 },
        { subject: 'fast', ms: 50 },
      ],
    })
    expect(summaryOf(apart)).toMatch(
      /p50 ms, least: fast with \d+\.\d, 0\.\d\d\u2009× that of slow, the next \(95\u2009% interval/,
    )
    expect(summaryOf(apart)).toMatch(
      /Also shown: least p99 ms fast .*; most req\/s fast .*; least CPU ms\/req fast/,
    )
  })

  it('begins with what was measured and the outcome, in words', () => {
    const file = syntheticResultFile({
      subjects: [
        { subject: 'slow', ms: 100 },
        { subject: 'fast', ms: 50 },
      ],
    })
    const [scenario] = file.results
    if (scenario === undefined) throw new Error('there is one')
    const atUrl = {
      ...file,
      settings: { url: 'https://origin.example/a' },
      results: [{ ...scenario, scenario: 'url' }],
    }
    const header = headerOf(atUrl)
    expect(header).toContain('https://origin.example/a')
    expect(header).toMatch(
      /fast had the lowest median time of a request: [\d.]+ ms; next is slow with [\d.]+ ms \(0\.\d\dx, round by round\)\./,
    )
    expect(headerOf(file)).toContain('synthetic')
  })

  it('has its caveats behind the figures', () => {
    const page = renderHtml(syntheticResultFile())
    expect(page.indexOf('Medians over rounds')).toBeLessThan(page.indexOf('What the figures do not show'))
    expect(summaryOf(syntheticResultFile())).not.toContain('Not measured')
  })

  it('says why a case has no figure, and has no table of it', () => {
    const file = syntheticResultFile()
    const [scenario] = file.results
    const [entry] = scenario?.cases ?? []
    if (scenario === undefined || entry === undefined) throw new Error('there is one')
    const empty = {
      ...entry,
      subjects: [],
      ratios: [],
      http3: [],
      aims: [],
      notes: ['broken off: it was interrupted'],
    }
    const page = renderHtml({ ...file, results: [{ ...scenario, cases: [empty] }] })
    expectSound(page)
    expect(page).toContain('Nothing was measured: curl: ')
    expect(page).toContain('<li>broken off: it was interrupted</li>')
    expect(page).not.toContain('Medians over rounds')
  })

  it('has a table of where HTTP/3 wins and where it loses', () => {
    const page = renderHtml(
      syntheticResultFile({
        subjects: [
          { subject: 'h3', ms: 50 },
          { subject: 'h2', ms: 100 },
          { subject: 'h1', ms: 20 },
        ],
      }),
    )
    expectSound(page)
    expect(page).toMatch(
      /<caption>Where HTTP\/3 wins and where it loses, in \d+ comparisons: \d+ won, \d+ lost, \d+ even, no difference shown in \d+<\/caption>/,
    )
    const row = (to: string, outcome: string) =>
      new RegExp(
        `<bdi>h3</bdi> / <bdi>${to}</bdi></th><td class="text">[^<]*</td><td class="text">p50 ms</td><td class="text"><strong>${outcome}</strong>`,
      )
    expect(page).toMatch(row('h2', 'wins'))
    expect(page).toMatch(row('h1', 'loses'))
  })

  it('does not call three rounds evidence', () => {
    const file = syntheticResultFile({
      subjects: [
        { subject: 'slow', ms: 100 },
        { subject: 'fast', ms: 50 },
      ],
      rounds: 3,
    })
    expect(summaryOf(file)).toContain('to the same side in each of 3 rounds (an interval needs 6)')
    expect(summaryOf(file)).not.toContain('Also shown')
  })

  it('warns of failures and of a machine that was in use', () => {
    const file = syntheticResultFile({ rounds: 2 })
    const entry = file.results[0]!.cases[0]! // the synthetic file has one of each
    const failing = {
      ...entry,
      subjects: entry.subjects.map(subject => ({ ...subject, rounds: [{ failures: 3 }] })),
    }
    const caveats = caveatsOf({
      ...file,
      machine: { ...file.machine, loadAtStart: 1.5 },
      results: [{ ...file.results[0]!, cases: [failing] }],
    })
    expect(caveats).toContain('h2 (synthetic, GET /100k, 40 ms, 1 % loss): 3')
    expect(caveats).toContain('The machine was in use when the run began (load 1.50).')
  })

  it('gives a subject the same color in every chart', () => {
    const elements = parseStrictHtml(renderHtml(syntheticResultFile()))
    const before = new Map<string, Set<string>>()
    for (const [i, element] of elements.entries()) {
      const label = elements[i + 1]
      if (
        !element.attributes.get('class')?.startsWith('marker ') ||
        label?.attributes.get('class') !== 'name'
      )
        continue
      const subject = label.text.split(' / ')[0] ?? ''
      before.set(subject, (before.get(subject) ?? new Set()).add(element.attributes.get('class') ?? ''))
    }
    expect([...before.keys()].sort()).toEqual(['h2', 'h3', 'http/1.1 x6', 'undici'])
    expect(new Set([...before.values()].map(classes => [...classes].join())).size).toBe(4)
    for (const classes of before.values()) expect(classes.size).toBe(1)
  })

  it('has all figures of all rounds', () => {
    const file = syntheticResultFile({ rounds: 9 })
    const text = named(parseStrictHtml(renderHtml(file)), 'main')[0]?.text ?? ''
    for (const { rounds } of file.results[0]?.cases[0]?.subjects ?? []) {
      for (const { p50Ms = 0 } of rounds) expect(text).toContain(p50Ms.toPrecision(3))
    }
  })

  it('shows nothing but the frame for a file without results', () => {
    expect(charts(expectSound(renderHtml({ ...syntheticResultFile(), results: [] })))).toEqual([])
  })

  it.each(stored)('makes a sound page of %s', name => {
    const file = JSON.parse(readFileSync(join(results, name), 'utf8')) as ResultFile // written by this repository
    const elements = expectSound(renderHtml(file))
    const cases = file.results.flatMap(({ cases }) => cases)
    expect(elements.filter(({ attributes }) => attributes.get('class') === 'case')).toHaveLength(cases.length)
    expect(charts(elements).length).toBeGreaterThanOrEqual(cases.length)
  })
})

/** The text that begins a page. */
function headerOf(file: ResultFile): string {
  return named(parseStrictHtml(renderHtml(file)), 'header')[0]?.text ?? ''
}

/** What stands behind the figures. */
function caveatsOf(file: ResultFile): string {
  const sections = named(parseStrictHtml(renderHtml(file)), 'section')
  return sections.find(({ attributes }) => attributes.get('aria-labelledby') === 'caveats')?.text ?? ''
}

function summaryOf(file: ResultFile): string {
  const [summary] = parseStrictHtml(renderHtml(file)).filter(
    ({ attributes }) => attributes.get('class') === 'summary',
  )
  return summary?.text ?? ''
}
