import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { runTool } from './run-tool.ts'
import { makeTemporaryDirectory } from './temporary-directory.ts'

export interface GtlsclientOptions {
  method?: string
  /** The body of every request. */
  body?: Buffer
  /**
   * The paths are asked for one after the other, and again from the first, until there were so many requests.
   */
  requests?: number
  /** Keeps the bodies of the answers by their paths, which must end in different names and have no query. */
  download?: boolean
  /**
   * A directory of the caller's: what is learned there (TLS session, transport parameters) is used the next
   * time.
   */
  memory?: string
  /** Writes no trace, which costs more than the transfer: only bodies and the exit code are known then. */
  isQuiet?: boolean
  /** Asks for the host by another name. */
  authority?: string
  args?: readonly string[]
}

interface GtlsclientResponse {
  /** 1xx first, the final one last. */
  statuses: number[]
  headers: Record<string, string>
  /** The code that the stream was closed with; 256 is H3_NO_ERROR. Undefined: it was not closed. */
  closedWith: number | undefined
}

export interface GtlsclientResult {
  exitCode: number | null
  /** By stream id. */
  responses: Map<number, GtlsclientResponse>
  bodies: Map<string, Buffer>
  alpn: string | undefined
  /** 0-RTT packets that were sent. */
  earlyPackets: number
  isEarlyDataRejected: boolean
  isRetried: boolean
  /** What it wrote, the dump of frames and packets included. */
  output: string
}

/**
 * Runs gtlsclient, the example client of ngtcp2 and nghttp3 (with GnuTLS), and reads its trace. It checks no
 * certificates and ends when all streams are closed. Never rejects for a failure of QUIC or HTTP: an answer
 * that is missing is missing in `responses`.
 */
export async function runGtlsclient(
  port: number,
  paths: readonly string[],
  options: GtlsclientOptions = {},
): Promise<GtlsclientResult> {
  const directory = makeTemporaryDirectory('gtlsclient')
  try {
    const args = ['--no-quic-dump', '--no-http-dump', '--exit-on-all-streams-close', '--timeout=20s']
    if (options.isQuiet === true) args.push('--quiet')
    if (options.method !== undefined) args.push(`--http-method=${options.method}`)
    if (options.body !== undefined) {
      const file = join(directory.path, 'body')
      writeFileSync(file, options.body)
      args.push(`--data=${file}`)
    }
    if (options.requests !== undefined) args.push(`--nstreams=${options.requests}`)
    if (options.download === true) args.push(`--download=${directory.path}`)
    if (options.memory !== undefined) {
      args.push(
        `--session-file=${join(options.memory, 'session')}`,
        `--tp-file=${join(options.memory, 'tp')}`,
      )
    }
    const authority = options.authority ?? `localhost:${port}`
    const urls = paths.map(path => `https://${authority}${path}`)
    const line = [...args, ...(options.args ?? []), '127.0.0.1', String(port), ...urls]
    const { exitCode, output } = await runTool('gtlsclient', line, { timeoutMs: 25_000 })
    const bodies = new Map<string, Buffer>()
    if (options.download === true) {
      for (const path of paths)
        bodies.set(path, readIfThere(join(directory.path, path.split('/').at(-1) ?? '')))
    }
    return { exitCode, ...parseTrace(output), bodies, output }
  } finally {
    directory.remove()
  }
}

function readIfThere(file: string): Buffer {
  try {
    return readFileSync(file)
  } catch {
    return Buffer.alloc(0)
  }
}

/** `http: stream 0x4 [:status: 200]`, `HTTP stream 4 closed with error code 256`. */
function parseTrace(
  output: string,
): Pick<GtlsclientResult, 'responses' | 'alpn' | 'earlyPackets' | 'isEarlyDataRejected' | 'isRetried'> {
  const responses = new Map<number, GtlsclientResponse>()
  const responseOf = (id: number): GtlsclientResponse => {
    let response = responses.get(id)
    if (response === undefined) {
      response = { statuses: [], headers: {}, closedWith: undefined }
      responses.set(id, response)
    }
    return response
  }
  for (const match of output.matchAll(/^http: stream 0x([0-9a-f]+) \[(:?[^:\]]+): (.*)\]$/gm)) {
    const [, id = '', name = '', value = ''] = match
    const response = responseOf(Number.parseInt(id, 16))
    if (name === ':status') response.statuses.push(Number(value))
    else response.headers[name] = value
  }
  for (const match of output.matchAll(/^HTTP stream (\d+) closed with error code (\d+)$/gm))
    responseOf(Number(match[1])).closedWith = Number(match[2])
  return {
    responses,
    alpn: /^Negotiated ALPN is (\S+)$/m.exec(output)?.[1],
    earlyPackets: [...output.matchAll(/ pkt tx .* type=0RTT /g)].length,
    isEarlyDataRejected: output.includes('Early data was rejected by server'),
    isRetried: / pkt rx .* type=Retry /.test(output),
  }
}
