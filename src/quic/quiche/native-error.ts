/** What the binding throws: quiche's error by name, some with a number. */
export interface NativeFault {
  readonly name: string
  /**
   * The code of a StreamReset or StreamStopped, the stream of an InvalidStreamState; else 0. Above 2^53 the
   * nearest number.
   */
  readonly code: number
}

/** Codes of QUIC go up to 2^62 - 1. */
const SHAPE = /^([A-Za-z]+)(?:\((\d{1,20})\))?$/
/**
 * The largest number below 2^62: the nearest one to the last codes is 2^62 itself, which no frame can carry
 * if it is sent on.
 */
const MAX_CODE = 2 ** 62 - 512

/** Reads an error of the binding. Anything else has its message as the name. */
export function nativeError(error: unknown): NativeFault {
  const message = error instanceof Error ? error.message : String(error)
  const [, name, code] = SHAPE.exec(message) ?? []
  return name === undefined
    ? { name: message, code: 0 }
    : { name, code: Math.min(Number(code ?? 0), MAX_CODE) }
}
