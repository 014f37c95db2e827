import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { renderHtml } from '../../../src/bench/report/html.ts'
import type { ResultFile } from '../../../src/bench/results/result-file.ts'
import { syntheticResultFile } from '../../support/bench-result-file.ts'
import { renderInChromium } from '../../support/chromium.ts'
import { requireBinary } from '../../support/require-binary.ts'

const missing = requireBinary('chromium')

const stored = (name: string): ResultFile =>
  JSON.parse(
    readFileSync(new URL(`../../../bench/results/${name}.json`, import.meta.url), 'utf8'),
  ) as ResultFile // written by this repository

/** A desk's and a phone's. */
const WIDTHS = [1_200, 360]

const PAGES: readonly (readonly [string, () => ResultFile])[] = [
  ['a file with the material of every chart', () => syntheticResultFile()],
  [
    'names of any length in any script',
    () =>
      syntheticResultFile({
        subjects: [
          { subject: 'h2 over a relay of 40 ms that loses 1 % of all packets in bursts', ms: 44 },
          { subject: '\u5b57'.repeat(80), ms: 440 },
          { subject: 'W'.repeat(200), ms: 4 },
          { subject: '<b>&amp;"', ms: 0.004 },
        ],
      }),
  ],
  ['thirteen subjects', () => stored('2026-11-22-1734-first-byte')],
  ['four scenarios', () => stored('2026-11-22-0904-forward-h2+rtt-h2+reuse-h2+client-h2')],
]

describe.skipIf(missing !== undefined)(
  `the page of a result file in a browser${missing === undefined ? '' : ` (${missing})`}`,
  () => {
    it.each(PAGES)(
      'shows %s with nothing cut off, nothing overlapping, and marks in every chart',
      async (_, file) => {
        const { complaints, windows } = await renderInChromium(renderHtml(file()), WIDTHS)
        expect(complaints).toEqual([])
        expect(windows.map(({ pageWidth }) => pageWidth)).toEqual(WIDTHS)
        for (const { kind, marks, outside, touching } of windows.flatMap(({ charts }) => charts)) {
          expect({ kind, marks: marks > 0, outside, touching }).toEqual({
            kind,
            marks: true,
            outside: [],
            touching: [],
          })
        }
        expect(windows.map(({ charts }) => charts.length > 0)).toEqual([true, true])
      },
    )

    it('would notice a script in the page, which may not run', async () => {
      const page = renderHtml(syntheticResultFile()).replace(
        '</main>',
        '<script>document.title = "it ran"</script></main>',
      )
      const { complaints } = await renderInChromium(page, [1_200])
      expect(complaints).toEqual([expect.stringContaining('Content Security Policy')])
    })

    it('would detect texts that touch, and a page that is too wide', async () => {
      const page = renderHtml(syntheticResultFile())
        .replaceAll(/(<text class="name" x=")14"/g, '$1300"')
        .replace('<main>', '<main style="width:2000px;max-width:none">')
      const { windows } = await renderInChromium(page, [1_200])
      expect(windows[0]?.pageWidth).toBeGreaterThan(1_900)
      expect(windows[0]?.charts.flatMap(({ touching }) => touching)).not.toEqual([])
    })
  },
)
