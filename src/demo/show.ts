import { parseOptions, usageError } from '../cli/parse-options.ts'
import { checkCertificate, originConfig, SERVE_OPTIONS } from '../cli/serve.ts'
import { screenOf } from '../cli/terminal.ts'
import { screenText } from '../cli/text-table.ts'
import { asTransportError } from '../index.ts'
import { formatListenAddress, type Service, type StartOptions, startService } from '../service/index.ts'
import { DEMO_ORIGINS, ROUND_TRIP_MS, type RunningOrigins, runningOrigins } from './demo-origins.ts'
import { LiveSummary, summarize } from './live-summary.ts'
import { makeRequests } from './own-requests.ts'
import { carrierField, hostOf, startConnector } from './start-connector.ts'

/** What is shown, and how it ends. */
interface Show {
  readonly service: Service
  /** Makes some requests after so long without any; undefined: never. */
  readonly ownRequests: (() => Promise<string>) | undefined
  readonly end: () => Promise<void>
}

const WAIT_MS = 10_000

/** A line of its own: above the summary, as soon as there is one. */
let say = (text: string): void => write([text])
/** At a terminal the log goes above the summary; a pipe gets it as it comes, without back-pressure. */
const LOG: StartOptions = process.stdout.isTTY ? { logTo: { write: line => say(line.trimEnd()) } } : {}
/** Requests that never had a connection: no pool has counted them. */
let unconnected = 0
const OPTIONS: StartOptions = {
  ...LOG,
  observer: event => {
    if (event.type === 'exchange-ended' && event.protocol === undefined) unconnected++
  },
}

/** Resolves when it has started; from then on it lives until a signal. */
export async function runDemo(
  args: readonly string[],
  origins: Promise<RunningOrigins> | undefined,
): Promise<void> {
  await run(args, origins).catch((error: unknown) => {
    const { code, message } = asTransportError(error)
    process.stderr.write(`npm start: ${message}\n`)
    process.exit(code === 'MM_INVALID_ARGUMENT' || code === 'MM_CONFIG_INVALID' ? 2 : 3)
  })
}

/**
 * `npm start`: the connector in front of a handful of origins that live in a process of their own, each 40 ms
 * away. `npm start -- --origin URL`: in front of a real one.
 */
async function run(args: readonly string[], origins: Promise<RunningOrigins> | undefined): Promise<void> {
  const show = origins === undefined ? await startInFront(args) : await startDemo(await origins)
  const { service } = show
  const figures = () => summarize(service.stats(), unconnected)
  const summary = new LiveSummary(process.stdout, figures)
  say = text => summary.say(text)
  const timer = setTimeout(() => {
    if (show.ownRequests === undefined || figures().requests > 0) return
    show.ownRequests().then(
      text => say(text),
      (error: unknown) => say(`the demo's own requests failed: ${asTransportError(error).message}`),
    )
  }, WAIT_MS)
  let isStopping = false
  const stop = async (): Promise<void> => {
    // Whoever asks twice does not want to wait.
    if (isStopping) process.exit(1)
    isStopping = true
    clearTimeout(timer)
    summary.stop()
    process.stdout.write('draining: open requests end, new ones are refused\n')
    await service.drain()
    const { requests } = figures()
    await service.close()
    await show.end()
    process.stdout.write(`drained after ${requests} ${requests === 1 ? 'request' : 'requests'}\n`)
    process.exit(0)
  }
  process.on('SIGINT', () => void stop())
  process.on('SIGTERM', () => void stop())
}

async function startDemo(origins: RunningOrigins): Promise<Show> {
  const { service, notice } = await startConnector(origins, process.env['PORT'], OPTIONS)
  const url = urlOf(service)
  const running = runningOrigins(origins)
  const lines = [
    ...(notice === undefined ? [] : [notice]),
    `middlemile listens on ${url}, HTTP/1.1 or HTTP/2, in front of`,
    `${running.length} origins over TLS, each a round trip of ${ROUND_TRIP_MS} ms away.`,
    '',
    'Run this twice: the second answer comes without a handshake, and says so.',
    `  curl -i -w '%{time_total} s\\n' -H 'Host: ${hostOf('quick')}' ${url}/`,
    '',
    'Origins:',
  ]
  for (const { name, port } of running) {
    lines.push(`  ${name.padEnd(12)}localhost:${port}, ${DEMO_ORIGINS[name]}`)
    lines.push(`              curl -i -H 'Host: ${hostOf(name)}' ${url}/`)
  }
  if (origins.withoutHttp3 !== undefined) lines.push(`  quic        left out: ${origins.withoutHttp3}`)
  lines.push('', 'More paths: /bytes/1000000 /echo /trailers /informational /drip /status/404')
  write([...lines, ...hints(service)])
  const onOriginsEnded = (): void => {
    process.stderr.write('the demo origins ended\n')
    process.exit(1)
  }
  origins.child.once('exit', onOriginsEnded)
  return {
    service,
    ownRequests: () => makeRequests(url, hostOf('quick')),
    async end() {
      origins.child.off('exit', onOriginsEnded)
      await origins.stop()
    },
  }
}

/** A stranger's origin gets no requests but those that somebody makes. */
async function startInFront(args: readonly string[]): Promise<Show> {
  const { values } = parseOptions(args, SERVE_OPTIONS)
  const { origin } = values
  if (origin === undefined) throw usageError('npm start takes --origin URL')
  const config = originConfig({ 'log-level': 'warn', ...values, origin })
  const service = await startService(config, { ...OPTIONS, responseFields: carrierField })
  const url = urlOf(service)
  write([
    `middlemile listens on ${url}, HTTP/1.1 or HTTP/2, in front of`,
    origin,
    '',
    'Run this twice: the second answer comes without a handshake (see proxy-status).',
    `  curl -i -w '%{time_total} s\\n' ${url}/`,
    ...hints(service),
  ])
  checkCertificate(service, origin, values.insecure === true, text => {
    if (process.stdout.isTTY) say(`npm start: ${text}`)
    else process.stderr.write(`npm start: ${text}\n`)
  })
  return { service, ownRequests: undefined, end: async () => {} }
}

function hints({ adminAddress }: Service): string[] {
  const admin =
    adminAddress === undefined
      ? []
      : [`Admin:      curl http://${formatListenAddress(adminAddress)}/pools  (also /metrics, /healthz)`]
  return [...admin, '', 'Ctrl-C drains and ends.', '']
}

function urlOf({ addresses: [address = { host: '127.0.0.1', port: 0 }] }: Service): string {
  return `http://${formatListenAddress(address)}`
}

function write(lines: readonly string[]): void {
  process.stdout.write(screenText(`${lines.join('\n')}\n`, screenOf(process.stdout)))
}
