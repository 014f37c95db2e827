import { connect } from 'node:net'

export interface KeepAliveLoadOptions {
  port: number
  /** The whole request, as it goes over the wire. */
  request: string
  requests: number
  connections: number
  /** Each connection waits this long between an answer and its next request, drawn anew each time. */
  pauseMs?: () => number
  /** What the body of each answer must be. */
  body: Buffer
  /** Called once when so many answers have come. */
  at?: { answers: number; run: () => void }
}

export interface KeepAliveLoadResult {
  /** Answers by status. */
  statuses: Record<number, number>
  /** Connections that broke, and what went wrong on them. */
  failures: string[]
  /** Answers whose body was another one. */
  wrongBodies: number
  /** Connections that the driver made: one each, unless the server closed some. */
  connections: number
}

/**
 * Sends a fixed number of requests over keep-alive connections, one at a time on each, and misses nothing:
 * wrk counts time, not requests, and replaces a connection that the server closed without a word. It reads
 * HTTP just as far as it must (content-length).
 */
export async function runKeepAliveLoad(options: KeepAliveLoadOptions): Promise<KeepAliveLoadResult> {
  const result: KeepAliveLoadResult = { statuses: {}, failures: [], wrongBodies: 0, connections: 0 }
  let toSend = options.requests
  let answers = 0
  const onAnswer = (status: number, isRightBody: boolean): void => {
    result.statuses[status] = (result.statuses[status] ?? 0) + 1
    if (!isRightBody) result.wrongBodies++
    if (++answers === options.at?.answers) options.at.run()
  }

  const runConnection = (): Promise<void> =>
    new Promise(resolve => {
      result.connections++
      const socket = connect({ port: options.port, host: '127.0.0.1', noDelay: true })
      let isWaiting = false
      let unread: Buffer = Buffer.alloc(0)
      const next = (): void => {
        if (toSend === 0) {
          socket.destroy()
          return
        }
        toSend--
        isWaiting = true
        socket.write(options.request, 'latin1')
      }
      socket.once('connect', next)
      socket.on('data', (chunk: Buffer) => {
        unread = unread.length === 0 ? chunk : Buffer.concat([unread, chunk])
        const answer = readAnswer(unread)
        if (answer === undefined) return
        isWaiting = false
        if (answer.length !== unread.length) result.failures.push('bytes behind an answer')
        unread = Buffer.alloc(0)
        onAnswer(answer.status, answer.body.equals(options.body))
        const pauseMs = options.pauseMs?.() ?? 0
        if (pauseMs > 0) setTimeout(next, pauseMs)
        else next()
      })
      socket.on('error', error => result.failures.push(error.message))
      socket.on('close', () => {
        if (isWaiting) result.failures.push('closed without an answer')
        resolve()
      })
    })

  // A connection that the server ended is replaced, as a real client would.
  const isDone = (): boolean => toSend === 0
  const worker = async (): Promise<void> => {
    while (!isDone()) await runConnection()
  }
  await Promise.all(Array.from({ length: options.connections }, worker))
  return result
}

/** Undefined while it is not complete. */
function readAnswer(bytes: Buffer): { status: number; body: Buffer; length: number } | undefined {
  const headEnd = bytes.indexOf('\r\n\r\n')
  if (headEnd < 0) return undefined
  const head = bytes.toString('latin1', 0, headEnd)
  const bodyLength = Number(/^content-length: (\d+)$/im.exec(head)?.[1] ?? 0)
  const length = headEnd + 4 + bodyLength
  if (bytes.length < length) return undefined
  return { status: Number(head.slice(9, 12)), body: bytes.subarray(headEnd + 4, length), length }
}
