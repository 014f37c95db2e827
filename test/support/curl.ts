import { spawn } from 'node:child_process'
import { findBinary, requireBinary } from './require-binary.ts'

export interface CurlResult {
  /** 0 when all went well (curl(1), EXIT CODES). */
  exitCode: number
  /** 0 when no response came. */
  status: number
  /** `1.1`, `2`. */
  httpVersion: string
  /** Of the final response, lower case; a name that came twice has both values. */
  headers: Record<string, string[]>
  body: Buffer
  /** Bytes of the body, also when it was thrown away. */
  bytes: number
  seconds: { connect: number; tls: number; firstByte: number; total: number }
  /** What curl complained of. */
  message: string
}

export interface CurlOptions {
  /** Throws the body away instead of keeping it in memory. */
  discardBody?: boolean
  /** Sent on curl's stdin: for `--data-binary @-` or `-T -`. */
  input?: Uint8Array
  timeoutSeconds?: number
}

const MARK = '\n--- curl write-out ---\n'

/**
 * Runs curl with `args` (one URL among them) and reads what it says of the exchange. Never rejects for an
 * HTTP or network failure.
 */
export async function curl(args: readonly string[], options: CurlOptions = {}): Promise<CurlResult> {
  const path = findBinary('curl')
  if (path === undefined) throw new Error(requireBinary('curl'))
  const child = spawn(
    path,
    [
      '--silent',
      '--show-error',
      '--max-time',
      String(options.timeoutSeconds ?? 30),
      // Behind the messages, on stderr: stdout is the body's.
      '--write-out',
      `%{stderr}${MARK}%{json}\n%{header_json}`,
      ...(options.discardBody === true ? ['--output', '/dev/null'] : []),
      ...args,
    ],
    { stdio: ['pipe', 'pipe', 'pipe'] },
  )
  const body: Buffer[] = []
  let written = ''
  child.stdout.on('data', (chunk: Buffer) => body.push(chunk))
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    written += text
  })
  // curl may end before it has read its input; that is its answer, not our failure.
  child.stdin.on('error', () => undefined)
  child.stdin.end(options.input)
  const exitCode = await new Promise<number>((resolve, reject) => {
    child.once('error', reject)
    child.once('close', code => resolve(code ?? -1))
  })
  return { ...parseCurlWriteOut(written), exitCode, body: Buffer.concat(body) }
}

/** The messages, then the mark, then one line of JSON, then the headers as JSON. */
export function parseCurlWriteOut(text: string): Omit<CurlResult, 'exitCode' | 'body'> {
  const at = text.indexOf(MARK)
  if (at < 0) throw new Error(`curl wrote no summary: ${text.slice(0, 500)}`)
  const rest = text.slice(at + MARK.length)
  const lineEnd = rest.indexOf('\n')
  const facts = JSON.parse(rest.slice(0, lineEnd)) as WriteOut // curl(1) names these fields
  const headers = JSON.parse(rest.slice(lineEnd + 1)) as Record<string, string[]> // curl(1), header_json
  return {
    status: facts.http_code,
    httpVersion: facts.http_version,
    headers,
    bytes: facts.size_download,
    seconds: {
      connect: facts.time_connect,
      tls: facts.time_appconnect,
      firstByte: facts.time_starttransfer,
      total: facts.time_total,
    },
    message: text.slice(0, at).trim(),
  }
}

interface WriteOut {
  http_code: number
  http_version: string
  size_download: number
  time_connect: number
  time_appconnect: number
  time_starttransfer: number
  time_total: number
}
