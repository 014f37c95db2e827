import { appendFileSync, createReadStream, createWriteStream } from 'node:fs'
import { readFile, stat } from 'node:fs/promises'
import { createSecureContext } from 'node:tls'
import { qlogObserver } from '../../entry/events.ts'
import { type Observer, parseOrigin, type Transport } from '../../index.ts'
import type { CliIo, Command } from '../command.ts'
import { EXIT } from '../command.ts'
import {
  CONNECTION_HELP,
  CONNECTION_OPTIONS,
  connectionOptions,
  INSECURE_WARNING,
} from '../connection-options.ts'
import { countOption, headerOption, parseOptions, usageError } from '../parse-options.ts'
import { PLAIN_SCREEN } from '../terminal.ts'
import { screenText } from '../text-table.ts'
import { GetReport } from './get-report.ts'
import { type GetPlan, type RequestBodySource, runGets } from './run-gets.ts'
import { ConnectionTally, MigrationTally } from './tallies.ts'

/** Of a body that is shown. */
const PREVIEW_BYTES = 64 * 1024

/** Up to this size a file is read once and kept: it can be sent again on another connection. */
const KEPT_BYTES = 1024 * 1024

/** `--data`: text, or `@FILE`. A large file is read anew for each request, never as a whole. */
async function readRequestBody(data: string | undefined): Promise<RequestBodySource | undefined> {
  if (data === undefined) return undefined
  if (!data.startsWith('@')) return kept(Buffer.from(data, 'utf8'))
  const file = data.slice(1)
  try {
    const { size } = await stat(file)
    if (size <= KEPT_BYTES) return kept(await readFile(file))
    return { length: size, open: () => createReadStream(file) }
  } catch (error) {
    throw usageError(
      `--data: cannot read the file: ${error instanceof Error ? error.message : String(error)}`,
    )
  }
}

function kept(body: Buffer): RequestBodySource {
  return { length: body.length, open: () => body }
}

const HELP = `Usage: middlemile get [options] URL...

Fetches through a pool, as a program would that embeds it, and shows where the
time went: in queue (for a connection or a stream, and for tries that failed),
dns, connect, tls, ttfb (until the head of the response) and body. A rehearsal
comes before, with an origin in this process, so that the figures are the
network's and not those of a program that loads.

  -n, --count COUNT     fetches each URL so many times; default 1
  --concurrency C       so many at once; default 1
  --method M            default GET, or POST with --data
  --header 'K: V'       may be given several times
  --data @FILE|TEXT     the request body
  -i, --include         shows the head of each response
  -I, --head            asks for heads only (HEAD), and shows them
  --body                shows the body too, its first 64 KiB, if it is text
  --output FILE|-       where the response body goes (one URL, once); with - it
                        goes to standard output, and the figures to standard
                        error
  --timeout-ms N        for each exchange as a whole
  --early-data          requests with a safe method may leave in early data
                        (0-RTT), over QUIC and, as an experiment, over TCP: an
                        onlooker can replay them
  --tfo                 the TLS handshake begins with the SYN where the kernel
                        has a cookie for the address (TCP Fast Open)
  --trusted             the origins are yours: HTTP/3 connections may move to
                        another local port or address when their path fails (a
                        hostile origin could hang the process then)
  --groups LIST         groups for the key exchange of TLS over TCP, best first:
                        with X25519 alone the first message fits into a SYN, and
                        is not safe from quantum computers
  --qlog DIR            writes a trace of connections, races and choices into
                        this directory (qlog, one file per run)
  --keylog FILE         appends the TLS secrets (SSLKEYLOGFILE format): who has
                        them can read the traffic
${CONNECTION_HELP}  --json                one line per request as it completes, and a summary line

Exit codes: 0 all responses came (any status), 1 some request failed, 2 bad
usage, 3 the process could not start.
`

const OPTIONS = {
  ...CONNECTION_OPTIONS,
  count: { type: 'string', short: 'n' },
  concurrency: { type: 'string' },
  method: { type: 'string' },
  header: { type: 'string', multiple: true },
  data: { type: 'string' },
  include: { type: 'boolean', short: 'i' },
  head: { type: 'boolean', short: 'I' },
  body: { type: 'boolean' },
  output: { type: 'string' },
  'timeout-ms': { type: 'string' },
  json: { type: 'boolean' },
  keylog: { type: 'string' },
  qlog: { type: 'string' },
  'early-data': { type: 'boolean' },
  tfo: { type: 'boolean' },
  trusted: { type: 'boolean' },
  groups: { type: 'string' },
} as const

/** Above the default of the pool, more requests at once than that would wait for each other. */
const POOL_MAX_CONNECTIONS = 64

export const getCommand: Command = {
  help: HELP,
  async run(args, io) {
    const { values, positionals: urls } = parseOptions(args, OPTIONS)
    if (urls.length === 0) throw usageError('get needs a URL')
    for (const url of urls) parseOrigin(url)
    const count = countOption('count', values.count) ?? 1
    const concurrency = countOption('concurrency', values.concurrency) ?? 1
    const timeoutMs = countOption('timeout-ms', values['timeout-ms'])
    const output = values.output
    if (output !== undefined && urls.length * count > 1)
      throw usageError('--output goes with one URL, fetched once')
    if (values.body === true && values.json === true)
      throw usageError('--body is for people: --output FILE keeps the body beside --json')
    if (values.head === true && (values.method !== undefined || values.data !== undefined))
      throw usageError('--head is a method of its own: it goes neither with --method nor with --data')
    if (values.qlog === '') throw usageError('--qlog needs the name of a directory')
    const connection = connectionOptions(values, urls)
    if (values.tfo === true) connection.defaults.tfo = 'on'
    if (values.trusted === true) connection.defaults.trusted = true
    if (values['early-data'] === true) connection.defaults.earlyDataOverTcp = true
    if (values.groups !== undefined)
      connection.defaults.tls = { ...connection.defaults.tls, groups: groupsOption(values.groups) }
    if (timeoutMs !== undefined) connection.defaults.timeouts = { requestMs: timeoutMs }
    if (concurrency > POOL_MAX_CONNECTIONS) connection.defaults.pool = { maxConnections: concurrency }
    const plan: GetPlan = {
      urls: Array.from({ length: count }, () => urls).flat(),
      concurrency,
      method: values.head === true ? 'HEAD' : (values.method ?? (values.data === undefined ? 'GET' : 'POST')),
      earlyData: values['early-data'] === true,
      headers: (values.header ?? []).flatMap(headerOption),
      body: await readRequestBody(values.data),
      output:
        output === undefined
          ? undefined
          : () => (output === '-' ? io.openOutput() : createWriteStream(output)),
      previewBytes: values.body === true ? PREVIEW_BYTES : 0,
    }
    if (values.insecure === true) io.writeError(`middlemile get: warning: ${INSECURE_WARNING}\n`)
    const job: GetJob = {
      plan,
      connection,
      keylogFile: values.keylog,
      qlogDirectory: values.qlog,
      report: new GetReport({
        format: values.json === true ? 'json' : 'text',
        showsHead: values.include === true || values.head === true,
        urls,
        total: plan.urls.length,
        // Standard output is the body's then.
        screen: output === '-' ? PLAIN_SCREEN : io.screen,
        write: text => (output === '-' ? io.writeError(text) : io.write(text)),
      }),
    }
    return await get(job, io)
  },
}

interface GetJob {
  readonly plan: GetPlan
  readonly connection: ReturnType<typeof connectionOptions>
  readonly report: GetReport
  readonly keylogFile: string | undefined
  readonly qlogDirectory: string | undefined
}

async function get(job: GetJob, io: CliIo): Promise<number> {
  const { plan, connection, report, keylogFile, qlogDirectory } = job
  const tally = new ConnectionTally()
  const migrations = new MigrationTally()
  const warn = (message: string) => io.writeError(`middlemile get: warning: ${message}\n`)
  const qlog =
    qlogDirectory === undefined
      ? undefined
      : qlogObserver({ directory: qlogDirectory, onFault: warn, exchanges: true })
  const observer: Observer = event => {
    tally.observe(event)
    migrations.observe(event)
    qlog?.observer(event)
    if (event.type === 'state-fault') warn(event.message)
  }
  // Lines are few and must survive whatever ends the process: written at once, for the owner's eyes only.
  const keylog =
    keylogFile === undefined ? undefined : (line: Buffer) => appendFileSync(keylogFile, line, { mode: 0o600 })
  const isSecure = plan.urls.some(url => parseOrigin(url).scheme === 'https')
  const lastConnectionId = await io.rehearse({ kind: 'request', isSecure, defaults: connection.defaults })
  // A trace has the numbers of the process: they stay there.
  if (qlogDirectory === undefined) report.firstConnection = lastConnectionId + 1
  const transport = io.createTransport({ ...connection, observer, keylog })
  try {
    await prepare(transport, plan.urls)
    await runGets(transport, plan, fetched => report.add(fetched))
  } finally {
    await transport.close()
    qlog?.close()
  }
  report.finish(tally, migrations.records)
  for (const hint of report.hints) io.writeError(screenText(`middlemile get: ${hint}\n`, io.errorScreen))
  return report.failed === 0 ? EXIT.ok : EXIT.failed
}

/** Puts together what needs no network before the clock starts. What is wrong, the request will say. */
async function prepare(transport: Transport, urls: readonly string[]): Promise<void> {
  for (const url of new Set(urls)) await transport.preconnect(url, { connections: 0 }).catch(() => undefined)
}

function groupsOption(text: string): string {
  if (text !== '' && isGroupList(text)) return text
  throw usageError(
    `--groups must be a list that OpenSSL knows, such as X25519:P-256, not ${JSON.stringify(text)}`,
  )
}

/** OpenSSL's own opinion, before anything is sent. */
function isGroupList(text: string): boolean {
  try {
    createSecureContext({ ecdhCurve: text })
    return true
  } catch {
    return false
  }
}
