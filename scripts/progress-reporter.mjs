// What `npm test` shows while it runs: what it is about to do and how long that usually takes, one line per project
// that says how far it is (in a terminal; a line every so often elsewhere), and failures as they come. What tests
// and their servers write stays off the screen, but for that of a test that failed.
import { relative } from 'node:path'
import { isatty } from 'node:tty'
import { stripVTControlCharacters, styleText } from 'node:util'
import { firstRunDuration, inRoundWords, inWords, shareDone, usualDurations } from './test-durations.mjs'

const REDRAW_MS = 100
const LINE_EVERY_MS = 20_000
const BAR_WIDTH = 20
/** Of what a failed test wrote. */
const SHOWN_OUTPUT_LINES = 20

export default class ProgressReporter {
  /** By name, in the order in which they run. @type {Map<string, Project>} */
  #projects = new Map()
  #screen
  #root
  #durations
  #usual
  #selection
  #kept
  /** The last lines that each running test, or file, wrote. @type {Map<string, string[]>} */
  #output = new Map()
  #startedAt = 0
  #timer

  /** `durations` is of the last runs, `selection` the arguments that chose the tests; what tests write goes to `kept`. */
  constructor({ root, durations, selection, screen, kept }) {
    this.#kept = kept
    this.#root = root
    this.#durations = durations
    this.#usual = usualDurations(durations, selection)
    this.#selection = selection
    this.#screen = screen
  }

  /** Of the run that ended, for the next one: milliseconds by project and by file. */
  get durations() {
    const all = [...this.#projects.values()]
    const files = Object.assign({}, ...all.map(({ done }) => Object.fromEntries(done)))
    return { projects: Object.fromEntries(all.map(({ name, tookMs }) => [name, tookMs])), files }
  }

  onTestRunStart(specifications) {
    this.#startedAt = performance.now()
    if (specifications.length === 0) {
      this.#screen.print(`no file of tests matches ${this.#selection}`)
      return
    }
    const inOrder = specifications.toSorted((a, b) => groupOf(a) - groupOf(b))
    for (const { project, moduleId } of inOrder) {
      const known = this.#projects.get(project.name) ?? new Project(project.name)
      this.#projects.set(project.name, known)
      known.files.push(relative(this.#root, moduleId))
    }
    const names = [...this.#projects.keys()]
    const count = specifications.length
    const ms = this.#leftMs(names)
    const takes = this.#usual.size > 0 ? `usually ${inWords(ms)}` : `first run: ${firstRunWords(ms)}`
    this.#screen.print(`${count} ${count === 1 ? 'file' : 'files'} of tests: ${names.join(', ')}; ${takes}`)
    this.#timer = setInterval(() => this.#show(), this.#screen.isTerminal ? 1_000 : LINE_EVERY_MS)
  }

  onTestModuleQueued(module) {
    this.#of(module).startedAt ??= performance.now()
    if (this.#screen.isTerminal) this.#showSoon()
  }

  onTestCaseResult(test) {
    const project = this.#of(test.module)
    const { state, errors } = test.result()
    project.counts[state] += 1
    if (state === 'failed') {
      const title = `${test.module.relativeModuleId} > ${test.fullName}`
      this.#screen.print(
        this.#failure(title, errors, [...this.#written(test.id), ...this.#written(test.module.id)]),
      )
    }
    this.#output.delete(test.id)
    if (this.#screen.isTerminal) this.#showSoon()
  }

  onTestModuleEnd(module) {
    const project = this.#of(module)
    project.done.set(module.relativeModuleId, module.diagnostic().duration)
    const errors = [...module.errors(), ...[...module.children.allSuites()].flatMap(suite => suite.errors())]
    if (errors.length > 0) {
      this.#screen.print(this.#failure(module.relativeModuleId, errors, this.#written(module.id)))
    }
    this.#output.delete(module.id)
    if (project.done.size < project.files.length) return
    project.tookMs = performance.now() - project.startedAt
    this.#screen.print(this.#summaryOf(project))
  }

  onUserConsoleLog({ content, taskId }) {
    this.#kept.write(content)
    if (taskId === undefined) return
    const lines = [...this.#written(taskId), ...content.trimEnd().split('\n')]
    this.#output.set(taskId, lines.slice(-SHOWN_OUTPUT_LINES))
  }

  onTestRunEnd(_modules, errors) {
    clearInterval(this.#timer)
    this.#screen.clear()
    for (const error of errors) this.#screen.print(this.#failure('outside of any test', [error], []))
  }

  #padded(name) {
    return name.padEnd(Math.max(...[...this.#projects.keys()].map(({ length }) => length)))
  }

  #of(module) {
    return this.#projects.get(module.project.name)
  }

  #written(id) {
    return this.#output.get(id) ?? []
  }

  #showSoon() {
    if (performance.now() - this.#screen.shownAt >= REDRAW_MS) this.#show()
  }

  /** How far the project is that runs. */
  #show() {
    const project = [...this.#projects.values()].find(({ startedAt, tookMs }) => startedAt && !tookMs)
    if (project !== undefined) this.#screen.show(this.#progressOf(project))
  }

  #progressOf(project) {
    const { name, files, done, counts } = project
    const share = shareDone(this.#durations, files, [...done.keys()])
    const filled = Math.round(share * BAR_WIDTH)
    const bar = `[${'#'.repeat(filled)}${'-'.repeat(BAR_WIDTH - filled)}]`
    const leftMs = this.#leftMs([...this.#projects.keys()])
    const parts = [`${done.size} of ${files.length} files`, `${counts.passed} passed`]
    if (counts.failed > 0) parts.push(this.#screen.styled('red', `${counts.failed} failed`))
    parts.push(
      leftMs === undefined
        ? inWords(performance.now() - this.#startedAt)
        : `about ${inWords(Math.max(leftMs, 1_000))} left`,
    )
    return `${this.#padded(name)} ${this.#screen.isTerminal ? `${bar} ` : ''}${parts.join(', ')}`
  }

  /** What is left of these projects by the last runs, or by those elsewhere, in ms; undefined where one has no figure. */
  #leftMs(names) {
    let sum = 0
    for (const name of names) {
      const { files, done, tookMs } = this.#projects.get(name)
      const usualMs = this.#usual.get(name) ?? firstRunDuration(name, files.length)
      if (tookMs) continue
      if (usualMs === undefined) return undefined
      sum += usualMs * (1 - shareDone(this.#durations, files, [...done.keys()]))
    }
    return sum
  }

  #summaryOf({ name, files, counts, tookMs }) {
    const parts = [`${counts.passed} passed`]
    if (counts.failed > 0) parts.push(this.#screen.styled('red', `${counts.failed} failed`))
    if (counts.skipped > 0) parts.push(`${counts.skipped} skipped`)
    const what = `${files.length} ${files.length === 1 ? 'file' : 'files'}`
    return `${this.#padded(name)} ${what}: ${parts.join(', ')} in ${inWords(tookMs)}`
  }

  #failure(title, errors, written) {
    const lines = ['', `${this.#screen.styled('red', 'FAILED')} ${title}`]
    for (const error of errors ?? []) {
      lines.push(...indented(`${error.name ?? 'Error'}: ${error.message}`, 2))
      if (error.diff) lines.push(...indented(error.diff, 4))
      const [place] = error.stacks ?? []
      if (place) lines.push(`    at ${relative(this.#root, place.file)}:${place.line}:${place.column}`)
    }
    if (written.length > 0) lines.push('  it wrote:', ...written.flatMap(line => indented(line, 4)))
    return lines.join('\n')
  }
}

function firstRunWords(ms) {
  return ms === undefined ? 'no figure yet' : `about ${inRoundWords(ms)} on 2 cores`
}

/** Groups of projects run one after the other. */
function groupOf({ project }) {
  return project.config.sequence.groupOrder
}

class Project {
  files = []
  /** Milliseconds by file. */
  done = new Map()
  counts = { passed: 0, failed: 0, skipped: 0, pending: 0 }
  startedAt
  tookMs = 0

  constructor(name) {
    this.name = name
  }
}

/** A line that is written over at a terminal; lines one below the other elsewhere. */
export class Screen {
  isTerminal
  shownAt = 0
  #stream
  #isShown = false
  #hasColor

  constructor(stream = process.stdout) {
    this.#stream = stream
    this.isTerminal = isatty(stream.fd)
    this.#hasColor = this.isTerminal && stream.hasColors() // NO_COLOR and TERM=dumb have none
    if (this.isTerminal) stream.on('resize', () => this.clear())
  }

  styled(style, text) {
    return this.#hasColor ? styleText(style, text, { validateStream: false }) : text
  }

  /** Lines that stay. */
  print(text) {
    this.clear()
    this.#stream.write(`${this.#hasColor ? text : stripVTControlCharacters(text)}\n`)
  }

  /** How far something is: at a terminal the next call of either kind writes over it. */
  show(line) {
    this.shownAt = performance.now()
    if (!this.isTerminal) this.#stream.write(`${line}\n`)
    else {
      this.#stream.write(`\r\x1b[K${cut(line, (this.#stream.columns || 80) - 1)}`)
      this.#isShown = true
    }
  }

  clear() {
    if (this.#isShown) this.#stream.write('\r\x1b[J')
    this.#isShown = false
  }
}

/** Of a line with styles, what fits: the styles are lost where it does not. */
function cut(line, columns) {
  const plain = stripVTControlCharacters(line)
  return plain.length <= columns ? line : plain.slice(0, columns)
}

function indented(text, by) {
  return text.split('\n').map(line => (line === '' ? line : ' '.repeat(by) + line))
}
