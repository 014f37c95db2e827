import { TransportError } from '../../base/errors.ts'
import type { Connection } from '../../base/events/connection.ts'
import { guardedListener } from '../../base/guard.ts'
import type { ExchangeController, ExchangeHandler, ExchangeRequest } from '../../base/http/exchange.ts'
import { type HeaderList, headerValue } from '../../base/http/headers.ts'
import type { HealthOptions } from '../../base/options/health-options.ts'
import type { CheckResult } from '../../health/check-state.ts'
import { decodeHealthResponse, encodeHealthRequest, GRPC_HEALTH_PATH } from '../../health/grpc-health.ts'

/** Of an answer; what is longer is cut off, and what came of it counts. */
const MAX_ANSWER_BYTES = 65_536

/** The whole answer to a check. */
interface CheckAnswer {
  readonly status: number
  readonly headers: HeaderList
  /** As far as it was read. */
  readonly body: Buffer
  readonly trailers: HeaderList
}

type CheckedOrigin = Pick<ExchangeRequest, 'scheme' | 'authority'>

/**
 * Asks over the connection, which has a stream for it. Rejects when no whole answer comes before the
 * signal.
 */
export async function checkOver(
  connection: Connection,
  { scheme, authority }: CheckedOrigin,
  options: HealthOptions,
  signal: AbortSignal,
): Promise<CheckResult> {
  const { check, method, path, host, service, timeoutMs } = options
  const isGrpc = check === 'grpc'
  const request: ExchangeRequest = {
    method: isGrpc ? 'POST' : method,
    scheme,
    authority: host === '' ? authority : host,
    path: isGrpc ? GRPC_HEALTH_PATH : path,
    headers: ['user-agent', 'middlemile-health', ...(isGrpc ? ['content-type', 'application/grpc'] : [])],
    body: isGrpc ? encodeHealthRequest(service) : null,
    acceptsTrailers: isGrpc,
    headersTimeoutMs: timeoutMs,
    bodyTimeoutMs: timeoutMs,
  }
  const answer = await exchange(connection, request, signal)
  return isGrpc ? judgeGrpc(answer) : judgeHttp(answer, options)
}

/** Whether the status is one of a healthy endpoint. */
function judgeHttp({ status }: CheckAnswer, { statuses }: HealthOptions): CheckResult {
  const isGood = statuses.includes(status)
  return {
    isGood,
    because: isGood ? `status ${status}` : `status ${status} is none of ${statuses.join(', ')}`,
  }
}

/**
 * Whether the service says that it is SERVING. The status of gRPC may stand in the head of a short answer.
 */
function judgeGrpc({ status, headers, trailers, body }: CheckAnswer): CheckResult {
  if (status !== 200) return { isGood: false, because: `HTTP status ${status}` }
  const grpcStatus = headerValue(trailers, 'grpc-status') ?? headerValue(headers, 'grpc-status')
  if (grpcStatus !== '0') return { isGood: false, because: `grpc-status ${grpcStatus ?? 'is missing'}` }
  const serving = decodeHealthResponse(body)
  return { isGood: serving === 'SERVING', because: serving ?? 'no HealthCheckResponse' }
}

function exchange(
  connection: Connection,
  request: ExchangeRequest,
  signal: AbortSignal,
): Promise<CheckAnswer> {
  return new Promise((resolve, reject) => {
    const handler = new CheckHandler(resolve, reject)
    const onAbort = guardedListener('the end of a health check', () => handler.abort(signal.reason), reject)
    signal.addEventListener('abort', onAbort, { once: true })
    connection.open(request, handler)
    if (signal.aborted) onAbort()
  })
}

/** Collects one answer. */
class CheckHandler implements ExchangeHandler {
  readonly #resolve: (answer: CheckAnswer) => void
  readonly #reject: (error: TransportError) => void
  #controller: ExchangeController | undefined
  #head: Pick<CheckAnswer, 'status' | 'headers'> | undefined
  readonly #chunks: Buffer[] = []
  #bytes = 0

  constructor(resolve: (answer: CheckAnswer) => void, reject: (error: TransportError) => void) {
    this.#resolve = resolve
    this.#reject = reject
    this.#controller = undefined
    this.#head = undefined
  }

  abort(reason: unknown): void {
    const error = reason instanceof TransportError ? reason : new TransportError('MM_ABORTED', String(reason))
    this.#reject(error)
    this.#controller?.abort(error)
  }

  onRequestStart(controller: ExchangeController): void {
    this.#controller = controller
  }

  onInformational(): void {}

  onResponseStart(_controller: ExchangeController, status: number, headers: HeaderList): void {
    this.#head = { status, headers }
  }

  onResponseData(controller: ExchangeController, chunk: Buffer): void {
    this.#chunks.push(Buffer.from(chunk)) // it is borrowed
    this.#bytes += chunk.length
    if (this.#bytes <= MAX_ANSWER_BYTES) return
    this.#settle([])
    controller.abort(new TransportError('MM_ABORTED', 'the answer to a check is long enough'))
  }

  onResponseEnd(_controller: ExchangeController, trailers: HeaderList): void {
    this.#settle(trailers)
  }

  onUpgrade(_controller: ExchangeController, status: number): void {
    this.#reject(new TransportError('MM_PROTOCOL_ERROR', `${status} to a check that asked for no upgrade`))
  }

  onResponseError(_controller: ExchangeController | undefined, error: TransportError): void {
    this.#reject(error)
  }

  #settle(trailers: HeaderList): void {
    if (this.#head === undefined) return
    this.#resolve({ ...this.#head, body: Buffer.concat(this.#chunks), trailers })
  }
}
