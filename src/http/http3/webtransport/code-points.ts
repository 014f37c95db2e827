/** The numbers of WebTransport over HTTP/3 (draft-ietf-webtrans-http3, drafts 02 to 16). */

/**
 * What says that an endpoint speaks it changed from draft to draft. We send all of them, and take any: peers
 * look for the one that they know. The values of 07 and 13 are a number of sessions, the others are flags.
 */
export const WEBTRANSPORT_SETTINGS = {
  'draft-02': 0x2b60_3742,
  'draft-07': 0xc671_706a,
  'draft-13': 0x14e9_cd29,
  'draft-15': 0x2c7c_f000,
} as const

export type WebTransportDraft = keyof typeof WEBTRANSPORT_SETTINGS

/** What a session may do from its start (5.5): flow control is negotiated when both sides say all of them. */
export const SESSION_LIMIT_SETTINGS = {
  maxData: 0x2b61,
  maxUnidirectional: 0x2b64,
  maxBidirectional: 0x2b65,
} as const

/** What a stream begins with, in front of the id of its session (4.2, 4.3). */
export const UNIDIRECTIONAL_STREAM = 0x54
export const BIDIRECTIONAL_SIGNAL = 0x41

/** Codes on the wire that are none of an application (9.5). */
export const BUFFERED_STREAM_REJECTED = 0x3994_bd84
export const SESSION_GONE = 0x170d_7b68

/** Codes of applications lie here, 32 bits of them (4.4). */
const FIRST_CODE = 0x52e4_a40f_a8db
const LAST_CODE = 0x52e5_ac98_3162
/** Each 31st number is one of grease (RFC 9114 8.1: 0x1f * N + 0x21), and is left out. */
const GREASE_EVERY = 0x1f
const GREASE_AT = 0x21

/** What an application calls an error, as HTTP/3 has it. */
export function toWireCode(code: number): number {
  const application = Math.min(Math.max(Math.trunc(code), 0), 0xffff_ffff)
  return FIRST_CODE + application + Math.floor(application / (GREASE_EVERY - 1))
}

/** The other way round; undefined: it is no code of an application. */
export function fromWireCode(wire: number): number | undefined {
  if (wire < FIRST_CODE || wire > LAST_CODE) return undefined
  if ((wire - GREASE_AT) % GREASE_EVERY === 0) return undefined
  const shifted = wire - FIRST_CODE
  return shifted - Math.floor(shifted / GREASE_EVERY)
}
