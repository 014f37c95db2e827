import type { SoakRequest } from './load-job.ts'

/** What came of a request, as its client saw it. */
export type Outcome =
  | { readonly kind: 'answered' }
  /**
   * An answer of another status than 200; `code` and `message` out of the connector's JSON, where there is
   * one.
   */
  | { readonly kind: 'status'; readonly status: number; readonly code: string; readonly message: string }
  /** It began well and was cut off. */
  | { readonly kind: 'truncated'; readonly message: string }
  /** Another request's answer, or bytes that are not those that were asked for. */
  | { readonly kind: 'wrong'; readonly message: string }
  /** Nothing came before the client's own limit. */
  | { readonly kind: 'no-answer'; readonly message: string }
  /** The client's own connection failed before an answer began. */
  | { readonly kind: 'connection'; readonly message: string }

/** What of a head is looked at. */
export interface AnswerHead {
  readonly status: number
  /** `x-soak-id`. */
  readonly id: string
  /** `x-soak-body: wrong`: what reached the origin was not what was sent. */
  readonly bodyVerdict: string
  /** `proxy-status`: an answer to HEAD has no body that names the error. */
  readonly proxyStatus: string
}

const MAX_ERROR_TEXT = 2_048

/** Follows one answer and compares it, piece by piece, with what was asked for. */
export class AnswerCheck {
  readonly #request: SoakRequest
  /** Undefined: its body is not looked at (a POST that nginx answered itself). */
  readonly #expected: Buffer | undefined
  #head: AnswerHead | undefined
  #received = 0
  #isWrong = false
  #errorText = ''

  constructor(request: SoakRequest, expected: Buffer | undefined) {
    this.#request = request
    this.#expected = expected
  }

  onHead(head: AnswerHead): void {
    this.#head = head
  }

  onData(chunk: Buffer): void {
    if (this.#head?.status !== 200) {
      if (this.#errorText.length < MAX_ERROR_TEXT) this.#errorText += chunk.toString('latin1')
      return
    }
    const from = this.#received
    this.#received += chunk.length
    if (this.#expected !== undefined && !this.#isWrong)
      this.#isWrong = !chunk.equals(this.#expected.subarray(from, from + chunk.length))
  }

  onEnd(): Outcome {
    const head = this.#head
    if (head === undefined) return { kind: 'connection', message: 'an end without a head' }
    if (head.status !== 200) return this.#failedStatus(head)
    const { id, method } = this.#request
    if (head.id !== id) return { kind: 'wrong', message: `the answer to ${head.id}` }
    if (this.#isWrong) return { kind: 'wrong', message: `bytes differ, of ${this.#received}` }
    const wanted = method === 'HEAD' ? 0 : (this.#expected?.length ?? this.#received)
    if (this.#received !== wanted)
      return { kind: 'wrong', message: `${this.#received} bytes instead of ${wanted}, reported as complete` }
    return { kind: 'answered' }
  }

  onError(message: string, isTimeout: boolean): Outcome {
    const head = this.#head
    if (isTimeout) return { kind: 'no-answer', message }
    if (head === undefined) return { kind: 'connection', message }
    if (head.status !== 200) return this.#failedStatus(head)
    if (this.#isWrong) return { kind: 'wrong', message: `bytes differ, of ${this.#received}` }
    return { kind: 'truncated', message: `${message} after ${this.#received} bytes` }
  }

  #failedStatus({ status, bodyVerdict, proxyStatus }: AnswerHead): Outcome {
    if (bodyVerdict === 'wrong')
      return { kind: 'wrong', message: 'another body than was sent reached the origin' }
    const [code, message] = errorOf(this.#errorText === '' ? proxyStatus : this.#errorText)
    return { kind: 'status', status, code, message }
  }
}

function errorOf(text: string): readonly [code: string, message: string] {
  try {
    const { error } = JSON.parse(text) as { error?: { code?: string; message?: string } } // or undefined
    return [error?.code ?? '', error?.message ?? '']
  } catch {
    // Proxy-Status has the code in its details; nginx and haproxy write HTML.
    return [/details="(MM_\w+)/.exec(text)?.[1] ?? '', text.slice(0, 100)]
  }
}
