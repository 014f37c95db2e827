import { runTool } from './run-tool.ts'

export interface NghttpResult {
  exitCode: number | null
  /** Heads of responses by stream, in the order in which they came; 1xx are among them. */
  responses: { streamId: number; status: number; headers: Record<string, string> }[]
  /** Names of the frames that came, in order: `SETTINGS`, `HEADERS`, `DATA`, `GOAWAY`, … */
  received: string[]
  /** Of DATA frames, padding included. */
  dataBytes: number
  /** The whole trace, without bodies. */
  trace: string
}

/**
 * Runs nghttp, the client of the reference implementation, and reads its trace. Cleartext is by prior
 * knowledge. It does not check certificates. Never rejects for a failure of HTTP or the network: an answer
 * that is missing is missing in `responses`.
 */
export async function runNghttp(url: string, args: readonly string[] = []): Promise<NghttpResult> {
  const { exitCode, output } = await runTool('nghttp', [
    '--verbose',
    '--null-out',
    '--timeout=20',
    ...args,
    url,
  ])
  return { exitCode, ...parseNghttpTrace(output), trace: output }
}

/**
 * `[ 0.000] recv (stream_id=13) :status: 200` and `[ 0.000] recv DATA frame <length=3, flags=0x01,
 * stream_id=13>`.
 */
function parseNghttpTrace(text: string): Pick<NghttpResult, 'responses' | 'received' | 'dataBytes'> {
  const responses: NghttpResult['responses'] = []
  const received: string[] = []
  let dataBytes = 0
  for (const line of text.split('\n')) {
    const field = /\] recv \(stream_id=(\d+)\) (:?[^:]+): (.*)$/.exec(line)
    const frame = /\] recv (\w+) frame <length=(\d+)/.exec(line)
    if (field !== null) {
      const [, id, name = '', value = ''] = field
      const streamId = Number(id)
      if (name === ':status') responses.push({ streamId, status: Number(value), headers: {} })
      else {
        const response = responses.findLast(response => response.streamId === streamId)
        if (response !== undefined) response.headers[name] = value
      }
    } else if (frame !== null) {
      received.push(frame[1] ?? '')
      if (frame[1] === 'DATA') dataBytes += Number(frame[2])
    }
  }
  return { responses, received, dataBytes }
}
