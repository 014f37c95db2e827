/** What the binding throws: quiche's error by name, some with a number. */
export interface NativeFault {
  readonly name: string
  /** The code of a StreamReset or StreamStopped, the stream of an InvalidStreamState; else 0. */
  readonly code: number
}

const SHAPE = /^([A-Za-z]+)(?:\((\d{1,16})\))?$/

/** Reads an error of the binding. Anything else has its message as the name. */
export function nativeError(error: unknown): NativeFault {
  const message = error instanceof Error ? error.message : String(error)
  const [, name, code] = SHAPE.exec(message) ?? []
  return name === undefined ? { name: message, code: 0 } : { name, code: Number(code ?? 0) }
}
