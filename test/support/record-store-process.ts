import { type ChildProcess, spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { onProcessExit } from './cleanup.ts'
import { compileSources } from './compiled-sources.ts'

export const SHELF_ORIGIN = 'https://shop.test'

const compiled = await compileSources({
  clock: 'base/clock.ts',
  recordStore: 'state/origin-record-store.ts',
  store: 'state/store.ts',
})

/**
 * What `body` may use: `put(fact, value)` writes one fact, and nothing else that this process knows, so that
 * what is lost once stays lost; `shelf`; `faults`; `say(text)`, which is out when it returns; `dropRights()`,
 * after which a superuser is none.
 */
const PRELUDE = `
import { writeSync } from 'node:fs'
import { systemClock } from '${compiled.clock}'
import { OriginRecordStore } from '${compiled.recordStore}'
import { FileStore } from '${compiled.store}'
const [directory, number] = process.argv.slice(1)
const ORIGIN = ${JSON.stringify(SHELF_ORIGIN)}
const faults = []
const say = text => void writeSync(1, text + '\\n')
const dropRights = () => {
  if (process.getuid() !== 0) return
  process.setgid(65534)
  process.setuid(65534)
}
let facts
const openShelf = () => new OriginRecordStore({
  store: new FileStore(directory).openOrigins(), clock: systemClock, maxOrigins: 8,
  collect: () => facts, merge: (a, b) => ({ ...a, ...b }), onFault: message => void faults.push(message),
})
const put = (shelf, fact, value) => {
  facts = { [fact]: value }
  shelf.onChanged(ORIGIN)
  shelf.flush()
}
`

export interface ShelfProcess {
  readonly child: ChildProcess
  /** Lines that were said so far. */
  readonly lines: readonly string[]
  /** Resolves when there are so many lines, or the process has ended. */
  readonly hasSaid: (count: number) => Promise<void>
  /** What it wrote to stderr when that is anything, else the exit code, or the name of the signal. */
  readonly ended: Promise<number | string>
}

/** A process with a shelf of its own over a state directory. `limits`: a shell command to run before. */
export function startShelfProcess(
  directory: string,
  number: number,
  body: string,
  limits = 'true',
): ShelfProcess {
  const args = ['--input-type=module', '-e', `${PRELUDE}\n${body}`, directory, String(number)]
  const child = spawn('/bin/sh', ['-c', `${limits}; exec "$@"`, 'sh', process.execPath, ...args], {
    cwd: fileURLToPath(new URL('../..', import.meta.url)),
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const forget = onProcessExit(() => child.kill('SIGKILL'))
  const lines: string[] = []
  let stdout = ''
  let stderr = ''
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
    const parts = (stdout + chunk).split('\n')
    stdout = parts.pop() ?? ''
    lines.push(...parts)
  })
  child.stderr.setEncoding('utf8').on('data', (chunk: string) => {
    stderr += chunk
  })
  const ended = new Promise<number | string>(resolve => {
    child.once('error', error => resolve(error.message))
    child.once('close', (code, signal) => {
      forget()
      resolve(stderr === '' ? (code ?? signal ?? 'nothing') : stderr)
    })
  })
  const hasSaid = async (count: number): Promise<void> => {
    while (lines.length < count && child.stdout.readable) await new Promise(resolve => setTimeout(resolve, 5))
  }
  return { child, lines, hasSaid, ended }
}
