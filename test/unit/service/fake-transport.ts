import type {
  DispatchHandle,
  DispatchRequest,
  ExchangeController,
  ExchangeHandler,
} from '../../../src/entry/dispatch.ts'
import type { Origin, Protocol, Transport, TransportError } from '../../../src/index.ts'

/** One dispatched request; the test plays the origin through its handler. */
export class FakeDispatch implements DispatchHandle, ExchangeController {
  readonly origin: Origin
  protocol: Protocol = 'http/1.1'
  readonly request: DispatchRequest
  readonly handler: ExchangeHandler
  readonly log: string[] = []
  paused = false
  abortedWith: TransportError | undefined
  lane = 'tcp' as const
  connection = undefined
  reused = false
  retries = 0
  wasEarly = false
  queueMs = 0
  ttfbMs = 0
  readonly attempts = []

  constructor(origin: Origin, request: DispatchRequest, handler: ExchangeHandler) {
    this.origin = origin
    this.request = request
    this.handler = handler
  }

  get aborted(): boolean {
    return this.abortedWith !== undefined
  }

  pause(): void {
    this.paused = true
    this.log.push('pause')
  }

  resume(): void {
    this.paused = false
    this.log.push('resume')
  }

  abort(error: TransportError): void {
    if (this.aborted) return
    this.abortedWith = error
    this.log.push(`abort ${error.code}`)
    this.handler.onResponseError(this, error)
  }

  keep(chunk: Buffer): Buffer {
    this.log.push('keep')
    return Buffer.from(chunk)
  }
}

/** A transport that dispatches to the test. `onDispatch` runs before dispatch() returns. */
export function fakeTransport(onDispatch: (dispatch: FakeDispatch) => void = () => {}) {
  const dispatches: FakeDispatch[] = []
  const transport: Pick<Transport, 'dispatch' | 'load'> = {
    load: () => undefined,
    dispatch(origin, request, handler) {
      const dispatch = new FakeDispatch(origin, request, handler)
      dispatches.push(dispatch)
      onDispatch(dispatch)
      return dispatch
    },
  }
  return { transport: transport as Transport, dispatches } // forwarding uses these two alone
}
