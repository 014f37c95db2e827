import { type ChildProcess, spawn } from 'node:child_process'
import { chmodSync, copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { basename, delimiter, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Caddy, startCaddy } from '../../support/caddy.ts'
import {
  type CodeBlock,
  codeBlocks,
  commandsOf,
  DOCUMENTS,
  type ShownCommand,
} from '../../support/documents.ts'
import { processTree } from '../../support/process-tree.ts'
import { requireBinary } from '../../support/require-binary.ts'
import { requireQuic } from '../../support/require-quic.ts'
import { freePort } from '../../support/tcp-port.ts'
import { makeTemporaryDirectory } from '../../support/temporary-directory.ts'

const ROOT = fileURLToPath(new URL('../../..', import.meta.url))
const CLI = join(ROOT, 'dist', 'cli.js')

/** Commands that are not run here, with the reason. */
const NOT_RUN: readonly (readonly [command: RegExp, reason: string])[] = [
  [/^npm ci/, 'installs and compiles the project: whoever runs the tests has done it'],
  [/^npm run bench /, 'takes an hour; test/e2e/bench-*.test.ts run the bench itself'],
]

/** Commands that end with something else than 0. */
const EXIT_CODES: Readonly<Record<string, number>> = { 'npx middlemile serve -c bad.yaml --check': 2 }

/** Requests with another answer than 2xx: caddy forbids its clients to migrate. */
const STATUSES: readonly (readonly [command: RegExp, status: RegExp])[] = [
  [/\/migrate$/, /^http 409$/m],
  // A redirect of docs/routing.md.
  [/old\.example/, /^http 308$/m],
  // It says itself how it went.
  [/%\{time_total\}/, /^HTTP\/1\.1 200 OK/m],
]

/** Commands whose output says what was measured just now: of it only lines without an indent are compared. */
const MEASURED = /^middlemile explain /
/** What these print is compared line by line, but for figures; a line of `…` stands for any. Of others, the labels. */
const SHOWN_WHOLE = /^npm start$|^curl .*%\{time_total\}|^(?:npx )?middlemile (?!explain|get .*--json)[^|]*$/

/** A page has up to a dozen commands, and each is a process. */
const PATIENCE_MS = 300_000

const blocks = DOCUMENTS.flatMap(codeBlocks)
const noCaddy = requireBinary('caddy') ?? requireBinary('curl') ?? requireBinary('openssl') ?? requireQuic()

describe.skipIf(noCaddy !== undefined)(
  `the commands of the documents${noCaddy ? ` (${noCaddy})` : ''}`,
  () => {
    let caddy: Caddy
    beforeAll(async () => {
      caddy = await startCaddy({
        http2: true,
        http3: true,
        extraSite: '\trespond / "hello"\n\trespond /api "{}"',
      })
    })
    afterAll(async () => {
      await caddy.stop()
    })

    const modules = blocks.filter(({ language }) => language === 'ts')
    it(
      'every module has the types that it says, and runs to its end',
      async () => {
        // Inside the project, so that `middlemile` is found by its own name, as a program that has it
        // installed finds it.
        mkdirSync(join(ROOT, '.tmp'), { recursive: true })
        const directory = mkdtempSync(join(ROOT, '.tmp', 'modules-'))
        try {
          await using reader = await Reader.sitDown(caddy)
          for (const { page, line, text } of modules)
            writeFileSync(join(directory, `${basename(page, '.md')}-${line}.ts`), reader.placed(text))
          const compilerOptions = {
            noUnusedLocals: false,
            noEmit: false,
            declaration: false,
            target: 'es2022',
          }
          const include = ['*.ts']
          const config = { extends: '../../tsconfig.json', compilerOptions, include }
          writeFileSync(join(directory, 'tsconfig.json'), JSON.stringify(config))
          const compiler = join(ROOT, 'node_modules', 'typescript', 'bin', 'tsc')
          expect(await reader.run(`${process.execPath} ${compiler} -p ${directory}`)).toEqual({
            exitCode: 0,
            output: '',
          })
          for (const { page, line } of modules) {
            const file = `${basename(page, '.md')}-${line}.js`
            const { exitCode, output } = await reader.run(`${process.execPath} ${join(directory, file)}`)
            expect({ page, line, exitCode, output: exitCode === 0 ? '' : output }).toEqual({
              page,
              line,
              exitCode: 0,
              output: '',
            })
          }
          expect(modules.length).toBeGreaterThan(5)
        } finally {
          rmSync(directory, { recursive: true, force: true })
        }
      },
      PATIENCE_MS,
    )

    const pages = DOCUMENTS.filter(page => blocksWithCommands(page).length > 0)
    it.each(pages)('%s: every command runs, and prints what the page shows', async page => {
      await using reader = await Reader.sitDown(caddy)
      for (const block of blocks.filter(block => block.page === page)) {
        if (block.language === 'yaml') reader.save('middlemile.yaml', block.text)
        // The one with faults is no configuration, as far as the tests of all of them go.
        if (block.language === 'text' && block.text.startsWith('listen:')) reader.save('bad.yaml', block.text)
        for (const shown of isOfCommands(block) ? commandsOf(block) : []) await reader.type(shown)
      }
      await reader.watch()
    })

    it('getting-started.md: the command runs in a checkout by npx as well', async () => {
      const { exitCode, output } = await shell('npx middlemile --version', ROOT, process.env).ended
      expect({ exitCode, output }).toMatchObject({
        exitCode: 0,
        output: expect.stringContaining('middlemile 0.'),
      })
    })
  },
)

function isOfCommands({ language }: CodeBlock): boolean {
  return language === 'console' || language === 'sh'
}

function blocksWithCommands(page: string): CodeBlock[] {
  return blocks.filter(block => block.page === page && isOfCommands(block))
}

/** Someone who reads a page at a terminal and types what it shows, in a directory of their own. */
class Reader implements AsyncDisposable {
  readonly #directory = makeTemporaryDirectory('reader')
  readonly #running: Running[] = []
  /** What servers are to have printed before they end. */
  readonly #awaited: { shown: ShownCommand; running: Running }[] = []
  readonly #environment: NodeJS.ProcessEnv
  /** What stands for the addresses of the page. */
  #places: readonly (readonly [shown: string, real: string])[]

  static async sitDown(caddy: Caddy): Promise<Reader> {
    return new Reader(caddy, await freePort(), await freePort(), await freePort())
  }

  private constructor(caddy: Caddy, port: number, adminPort: number, tlsPort: number) {
    const { caFile, certFile, keyFile } = caddy.certificates
    this.#places = [
      ['https://origin.example', caddy.url],
      ['https://localhost:8443', caddy.url],
      // Another origin, though the same server.
      ['https://api.internal:8443', `https://127.0.0.1:${caddy.tlsPort}`],
      ['127.0.0.1:8080', `127.0.0.1:${port}`],
      ['127.0.0.1:9901', `127.0.0.1:${adminPort}`],
      ['127.0.0.1:8443', `127.0.0.1:${tlsPort}`],
    ]
    for (const name of ['ca.pem', 'internal-ca.pem']) copyFileSync(caFile, join(this.#directory.path, name))
    copyFileSync(certFile, join(this.#directory.path, 'cert.pem'))
    copyFileSync(keyFile, join(this.#directory.path, 'key.pem'))
    const bin = join(this.#directory.path, 'bin')
    mkdirSync(bin)
    for (const [name, script] of [
      ['middlemile', `exec ${process.execPath} ${CLI} "$@"`],
      ['npx', 'exec "$@"'],
    ] as const) {
      writeFileSync(join(bin, name), `#!/bin/sh\n${script}\n`)
      chmodSync(join(bin, name), 0o755)
    }
    const { PORT: _, ...inherited } = process.env
    this.#environment = {
      ...inherited,
      PATH: `${bin}${delimiter}${process.env['PATH'] ?? ''}`,
      NODE_EXTRA_CA_CERTS: caFile,
      // curl says what it got behind what it prints.
      CURL_HOME: this.#directory.path,
    }
    writeFileSync(
      join(this.#directory.path, '.curlrc'),
      'silent\nshow-error\nwrite-out = "\\nhttp %{http_code}\\n"\n',
    )
  }

  save(name: string, text: string): void {
    writeFileSync(join(this.#directory.path, name), this.placed(text))
  }

  async type(shown: ShownCommand): Promise<void> {
    const { page, line, command } = shown
    if (NOT_RUN.some(([pattern]) => pattern.test(command))) return
    const isOurs = command === 'npm start'
    const running = shell(this.placed(command), isOurs ? ROOT : this.#directory.path, this.#environment)
    const isServer = isOurs || (/\bserve\b/.test(command) && !/--check|--help/.test(command))
    if (isServer) {
      await this.watch()
      for (const other of this.#running.splice(0)) await other.kill()
      this.#running.push(running)
      await expect
        .poll(() => running.output, { timeout: 30_000 })
        .toMatch(isOurs ? /requests \(/ : /listening on/)
      if (isOurs) this.#noteAddress((shown.output ?? []).join('\n'), running.output)
    } else {
      const exitCode = await running.ended.then(({ exitCode }) => exitCode)
      const wanted = EXIT_CODES[command] ?? 0
      expect({ page, line, command, exitCode, output: exitCode === wanted ? '' : running.output }).toEqual({
        page,
        line,
        command,
        exitCode: wanted,
        output: '',
      })
      const [, status] = STATUSES.find(([pattern]) => pattern.test(command)) ?? [command, /^http 2\d\d$/m]
      if (/^curl\b/.test(command)) expect(running.output, `${page}:${line}`).toMatch(status)
    }
    if (isServer && shown.output !== undefined) {
      this.#awaited.push({ shown, running })
      return
    }
    if (SHOWN_WHOLE.test(command)) {
      expect({ page, line, differs: differing(shown, running) }).toEqual({ page, line, differs: [] })
      return
    }
    const real = new Set(running.output.split('\n').map(labelOf))
    const compared = (shown.output ?? []).filter(text => !MEASURED.test(command) || !text.startsWith(' '))
    const missing = compared.map(labelOf).filter(label => label !== '' && !real.has(label))
    expect({ page, line, missing, output: missing.length === 0 ? '' : running.output }).toEqual({
      page,
      line,
      missing: [],
      output: '',
    })
  }

  /** Waits until servers have printed what the page shows of them. */
  async watch(): Promise<void> {
    for (const { shown, running } of this.#awaited.splice(0))
      await expect
        .poll(() => differing(shown, running), { message: `${shown.page}:${shown.line}` })
        .toEqual([])
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const running of this.#running.splice(0)) await running.kill()
    this.#directory.remove()
  }

  /** The demo takes a free port: the commands that follow go there. */
  #noteAddress(shown: string, real: string): void {
    const [shownAddress, realAddress] = [shown, real].map(
      text => /listens on http:\/\/([\d.:]+)/.exec(text)?.[1],
    )
    if (shownAddress !== undefined && realAddress !== undefined)
      this.#places = [...this.#places, [shownAddress, realAddress]]
  }

  /** Runs what the page does not show. */
  async run(line: string): Promise<{ exitCode: number | null; output: string }> {
    return await shell(line, this.#directory.path, this.#environment).ended
  }

  placed(text: string): string {
    return this.#places.reduce((placed, [shown, real]) => placed.replaceAll(shown, real), text)
  }
}

/** What two runs of a command have in common in a line of output: its first two words, without figures. */
function labelOf(line: string): string {
  const words = line.trim().split(/\s+/).slice(0, 2).join(' ')
  return words.split(/[\d…]/)[0]?.trim() ?? ''
}

/**
 * A line of output without figures, addresses and padding. What the kernel offers differs, and by chance so does
 * which request opened a connection, and whether one was made in the background.
 */
function shapeOf(line: string): string {
  return line
    .replaceAll(/\b[0-9a-f]{64}\b|\b0x[0-9a-f]+/g, '0')
    .replaceAll(/\d+(?:\.\d+)?/g, '0')
    .replaceAll(/(#0) (?:new|reused|resumed)\b/g, '$1 …')
    .replace(/, 0 in the background$/, '')
    .replace(/\bUDP by .*/, 'UDP by …')
    .replaceAll(/\s+/g, ' ')
    .trim()
}

/** The shown lines that the output does not have, one after the other and in this order; `…` stands for any lines. */
function differing({ output = [] }: ShownCommand, running: Running): string[] {
  const real = running.output.split('\n').map(shapeOf)
  let from = 0
  let isGap = true
  for (const line of output) {
    if (line === '…') {
      isGap = true
      continue
    }
    const at = isGap ? real.indexOf(shapeOf(line), from) : from
    if (at < 0 || real[at] !== shapeOf(line)) return [`${shapeOf(line)} is not in:`, ...real]
    from = at + 1
    isGap = false
  }
  return []
}

interface Running {
  readonly output: string
  readonly ended: Promise<{ exitCode: number | null; output: string }>
  kill(): Promise<void>
}

function shell(line: string, cwd: string, env: NodeJS.ProcessEnv): Running {
  const child: ChildProcess = spawn('bash', ['-o', 'pipefail', '-c', line], {
    cwd,
    env,
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let output = ''
  child.stdout?.setEncoding('utf8').on('data', (text: string) => (output += text))
  child.stderr?.setEncoding('utf8').on('data', (text: string) => (output += text))
  const ended = new Promise<{ exitCode: number | null; output: string }>((resolve, reject) => {
    child.once('error', reject)
    child.once('close', exitCode => resolve({ exitCode, output }))
  })
  return {
    get output() {
      return output
    },
    ended,
    async kill() {
      // npm and npx have children of their own.
      if (child.exitCode === null && child.signalCode === null)
        for (const { pid } of processTree(child.pid ?? -1)) process.kill(pid, 'SIGKILL')
      await ended
    },
  }
}
