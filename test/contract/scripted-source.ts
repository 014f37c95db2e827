import type { TransportError } from '../../src/base/errors.ts'
import type { BodySink, BodySource } from '../../src/base/http/exchange.ts'
import type { HeaderList } from '../../src/base/http/headers.ts'
import { NO_HEADERS } from '../../src/base/http/headers.ts'

/**
 * A request body that a test hands out piece by piece, or a number of equal chunks as fast as the sink takes
 * them.
 */
export class ScriptedSource implements BodySource {
  readonly length: number | undefined
  sink: BodySink | undefined
  isCancelled = false
  resumes = 0
  onAttach: ((sink: BodySink) => void) | undefined
  onResume: (() => void) | undefined
  onCancel: (() => void) | undefined

  constructor(length?: number) {
    this.length = length
  }

  isReplayable(): boolean {
    return false
  }

  attach(sink: BodySink): void {
    this.sink = sink
    this.onAttach?.(sink)
  }

  resume(): void {
    this.resumes++
    this.onResume?.()
  }

  cancel(): void {
    this.isCancelled = true
    this.onCancel?.()
  }
}

/** A source of `count` chunks of `chunk`, then the end; or the failure. */
export class RepeatingSource extends ScriptedSource {
  sent = 0

  constructor(
    chunk: Uint8Array,
    count: number,
    options: { length?: number; trailers?: HeaderList; failure?: TransportError } = {},
  ) {
    super(options.length)
    const pump = (): void => {
      while (this.sent < count && !this.isCancelled) {
        this.sent++
        if (this.sink?.write(chunk) !== true && this.sent < count) return
      }
      if (this.isCancelled) return
      if (options.failure === undefined) this.sink?.end(options.trailers ?? NO_HEADERS)
      else this.sink?.fail(options.failure)
    }
    this.onAttach = pump
    this.onResume = pump
  }
}
