/**
 * Transport error codes (RFC 9000 20.1) that the simulated engine finds. 0x178: CRYPTO_ERROR with
 * no_application_protocol.
 */
const CODES = {
  'stream-limit': 0x04,
  'flow-control': 0x03,
  'stream-state': 0x05,
  'final-size': 0x06,
  'frame-encoding': 0x07,
  'protocol-violation': 0x0a,
  'no-application-protocol': 0x178,
} as const

/** The peer broke a rule: the connection ends with this code. */
export class QuicFault extends Error {
  readonly transportCode: number

  constructor(rule: keyof typeof CODES, message: string) {
    super(message)
    this.transportCode = CODES[rule]
  }
}
