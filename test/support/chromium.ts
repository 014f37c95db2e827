import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { runTool } from './run-tool.ts'
import { makeTemporaryDirectory } from './temporary-directory.ts'

/** What a browser made of a page. Lengths in px. */
export interface Rendering {
  /** What it complained of: what scripts, styles and policies did wrong. */
  readonly complaints: readonly string[]
  /** One for each width that was asked for. */
  readonly windows: readonly WindowRendering[]
}

interface WindowRendering {
  readonly pageWidth: number
  readonly charts: readonly ChartRendering[]
}

interface ChartRendering {
  readonly kind: string
  /** Marks that have an extent. */
  readonly marks: number
  /** Texts that reach out of the drawing. */
  readonly outside: readonly string[]
  /** Pairs of texts, one on the other. */
  readonly touching: readonly string[]
}

/** Loads a page, as it is, into windows of those widths, and measures it from outside. */
export async function renderInChromium(page: string, widths: readonly number[]): Promise<Rendering> {
  using directory = makeTemporaryDirectory('chromium')
  const path = join(directory.path, 'frame.html')
  const escaped = page.replaceAll('&', '&amp;').replaceAll('"', '&quot;')
  const frames = widths.map(
    width => `<iframe style="width:${width}px;height:900px;border:0" srcdoc="${escaped}"></iframe>`,
  )
  writeFileSync(
    path,
    `<!doctype html><meta charset="utf-8"><body>${frames.join('')}
<script>onload = () => { document.title = JSON.stringify(Array.from(frames, ({ document }) => (${measure.toString()})(document))) }</script>`,
  )
  const { output } = await runTool('chromium', [
    '--headless',
    '--no-sandbox', // it refuses to run as root with one, and reads nothing but our own page
    '--disable-gpu',
    '--hide-scrollbars', // those of a phone lie on the page and take no room
    '--enable-logging=stderr',
    `--user-data-dir=${join(directory.path, 'profile')}`,
    '--dump-dom',
    `file://${path}`,
  ])
  const text = Buffer.from(output, 'latin1').toString('utf8')
  const json = /<title>(.*?)<\/title>/s.exec(text)?.[1]
  if (json === undefined) throw new Error(`chromium made nothing of the page: ${text.slice(0, 2_000)}`)
  const plain = json.replaceAll('&lt;', '<').replaceAll('&gt;', '>').replaceAll('&amp;', '&')
  return {
    complaints: text.split('\n').filter(line => line.includes(':CONSOLE')),
    windows: JSON.parse(plain) as readonly WindowRendering[], // measure() made them
  }
}

/** Runs in the browser: it may use nothing of this file. */
function measure(page: BrowserDocument): WindowRendering {
  const slack = 1.5 // px: glyphs have room around them
  const charts = [...page.querySelectorAll('figure[data-chart]')].map(figure => {
    const frame = figure.querySelector('svg[role=img]').getBoundingClientRect()
    const texts = [...figure.querySelectorAll('svg[role=img] text')].map(text => ({
      text: text.textContent,
      box: text.getBoundingClientRect(),
    }))
    const marks = [...figure.querySelectorAll('.mark')].filter(mark => {
      const { width, height } = mark.getBoundingClientRect()
      return width + height > 0
    })
    return {
      kind: figure.getAttribute('data-chart'),
      marks: marks.length,
      outside: texts
        .filter(
          ({ box }) =>
            box.left < frame.left - slack ||
            box.right > frame.right + slack ||
            box.bottom > frame.bottom + slack,
        )
        .map(({ text }) => text),
      touching: texts.flatMap(({ text, box }, i) =>
        texts
          .slice(i + 1)
          .filter(
            ({ box: other }) =>
              Math.min(box.right, other.right) - Math.max(box.left, other.left) > slack &&
              Math.min(box.bottom, other.bottom) - Math.max(box.top, other.top) > slack,
          )
          .map(other => `${text} | ${other.text}`),
      ),
    }
  })
  return { pageWidth: page.documentElement.scrollWidth, charts }
}

/** What `measure` uses of a browser's Document: this project is compiled without the DOM. */
interface BrowserDocument {
  readonly documentElement: { readonly scrollWidth: number }
  querySelectorAll(selector: string): Iterable<BrowserElement>
}

interface BrowserElement {
  readonly textContent: string
  getAttribute(name: string): string
  getBoundingClientRect(): Record<'left' | 'right' | 'top' | 'bottom' | 'width' | 'height', number>
  querySelector(selector: string): BrowserElement
  querySelectorAll(selector: string): Iterable<BrowserElement>
}
