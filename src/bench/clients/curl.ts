import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { BenchClient, ClientSetting, RequestEnd } from '../load/bench-client.ts'
import type { RequestKind } from '../load/load-job.ts'
import type { Phase } from '../results/scenario-result.ts'
import { refuseSetting } from './client-settings.ts'
import { bodyStream } from './made-body.ts'

const PROTOCOL_FLAGS: Readonly<Record<string, string>> = {
  'http/1.1': '--http1.1',
  h2: '--http2',
  h3: '--http3-only',
}
const PROTOCOL_NAMES: Readonly<Record<string, string>> = { '1.1': 'http/1.1', '2': 'h2', '3': 'h3' }

/**
 * What `--write-out %{json}` says; times in seconds from the start of the transfer, 0 for what did not take
 * place.
 */
interface CurlOutcome {
  readonly http_code: number
  readonly http_version: string
  readonly size_download: number
  readonly num_connects: number
  readonly time_namelookup: number
  readonly time_connect: number
  readonly time_appconnect: number
  readonly time_starttransfer: number
  readonly time_total: number
  readonly errormsg: string | null
}

/** Of clients that were not closed: a round that is broken off ends its process, and curl would go on. */
const unclosed = new Set<() => void>()
process.once('exit', () => {
  for (const leave of unclosed) leave()
})

/**
 * The curl program: a process for each request, so that every request is cold, and its time has the start of
 * the process in it. Its head cannot be timed from outside.
 */
export async function curl(setting: ClientSetting): Promise<BenchClient> {
  refuseSetting('curl', setting, curlProtocols())
  const directory = mkdtempSync(join(tmpdir(), 'middlemile-curl-'))
  const common = commonArguments(setting, directory)
  const children = new Set<ChildProcess>()
  const leave = (): void => {
    for (const child of children) child.kill('SIGKILL')
    rmSync(directory, { recursive: true, force: true })
    unclosed.delete(leave)
  }
  unclosed.add(leave)
  const opened = { full: 0, resumed: 0, earlyData: 0, cleartext: 0 }
  return {
    send(request, origin, watch) {
      const url = setting.origins[origin % setting.origins.length] ?? ''
      const child = spawn('curl', [...common, ...requestArguments(request), url + request.path], {
        stdio: ['pipe', 'pipe', 'ignore'],
      })
      children.add(child)
      let output = ''
      let failure: Error | undefined
      child.stdout.setEncoding('utf8').on('data', (text: string) => (output += text))
      child.stdin.on('error', () => {}) // it answers for itself
      const body = bodyStream(request)
      if (body === undefined || Buffer.isBuffer(body)) child.stdin.end(body)
      else body.pipe(child.stdin)
      child.once('error', error => (failure = error))
      child.once('close', code => {
        children.delete(child)
        const outcome = parseOutcome(output)
        opened[url.startsWith('https:') ? 'full' : 'cleartext'] += outcome?.num_connects ?? 0
        watch.onEnd(endOf(outcome, code, failure))
      })
    },
    facts: () => ({ opened: { ...opened } }),
    async close() {
      leave()
    },
  }
}

/** Asked once in a process: the time to make a client is in the latency of a cold request. */
let spoken: readonly string[] | undefined

/** Throws where there is no curl. */
function curlProtocols(): readonly string[] {
  if (spoken !== undefined) return spoken
  let version: string
  try {
    version = execFileSync('curl', ['--version'], { encoding: 'utf8' })
  } catch {
    throw new Error('curl is not installed')
  }
  const has = (feature: string): boolean => new RegExp(`^Features:.*\\b${feature}\\b`, 'm').test(version)
  spoken = ['http/1.1', ...(has('HTTP2') ? ['h2'] : []), ...(has('HTTP3') ? ['h3'] : [])]
  return spoken
}

function commonArguments(setting: ClientSetting, directory: string): string[] {
  const { protocols = [], ca, endpoint, resolve = {} } = setting
  const line = [
    '--disable', // comes first: no curlrc
    '--noproxy', // of the environment: no other client heeds it, and an impaired path would be left out
    '*',
    '--silent',
    '--output',
    '/dev/null',
    '--write-out',
    '%{json}',
  ]
  const flag = PROTOCOL_FLAGS[protocols[0] ?? '']
  if (flag !== undefined) line.push(flag)
  if (ca !== undefined) {
    const file = join(directory, 'ca.pem')
    writeFileSync(file, ca)
    line.push('--cacert', file)
  }
  if (endpoint !== undefined) line.push('--connect-to', `::${endpoint}`)
  for (const [name, address] of Object.entries(resolve)) line.push('--resolve', `${name}:${address}`)
  return line
}

function requestArguments(request: RequestKind): string[] {
  const { method, headers = [], body, uploadBytes = 0, readBytesPerSecond } = request
  const line = method === 'HEAD' ? ['--head'] : ['--request', method]
  for (let i = 0; i < headers.length; i += 2) line.push('--header', `${headers[i]}: ${headers[i + 1]}`)
  if (body !== undefined || uploadBytes > 0) line.push('--data-binary', '@-')
  if (readBytesPerSecond !== undefined) line.push('--limit-rate', String(readBytesPerSecond))
  return line
}

function parseOutcome(text: string): CurlOutcome | undefined {
  try {
    return JSON.parse(text) as CurlOutcome // documented in curl(1)
  } catch {
    return undefined
  }
}

function endOf(
  outcome: CurlOutcome | undefined,
  exitCode: number | null,
  failure: Error | undefined,
): RequestEnd {
  if (outcome === undefined || exitCode !== 0) {
    const said = failure?.message ?? outcome?.errormsg ?? 'it said nothing'
    const error = Object.assign(new Error(`curl: ${said}`), { code: `curl-${exitCode}` })
    return { status: outcome?.http_code ?? 0, bytes: outcome?.size_download ?? 0, error }
  }
  const protocol = PROTOCOL_NAMES[outcome.http_version]
  return {
    status: outcome.http_code,
    bytes: outcome.size_download,
    phases: () => curlPhases(outcome),
    ...(protocol !== undefined && { protocol }),
  }
}

/** QUIC connects and shakes hands in one: curl reports the end of both as that of the handshake. */
function curlPhases(outcome: CurlOutcome): readonly Phase[] {
  const ends: readonly [Phase['name'], number][] = [
    ['dns', outcome.time_namelookup],
    ['connect', outcome.time_connect],
    ['tls', outcome.time_appconnect],
    ['waiting', outcome.time_starttransfer],
    ['body', outcome.time_total],
  ]
  const phases: Phase[] = []
  let startMs = 0
  for (const [name, seconds] of ends) {
    const endMs = seconds * 1000
    if (endMs <= startMs) continue
    phases.push({ name, startMs, endMs })
    startMs = endMs
  }
  return phases
}
