/** What the engine said around one receive(), and says of resumption. */
export interface EarlyDataSnapshot {
  readonly wasInEarlyData: boolean
  readonly isInEarlyData: boolean
  readonly isEstablished: boolean
  readonly isResumed: boolean
}

/**
 * Whether 0-RTT was taken, which quiche 0.18 does not say. Early data ends with the flight of the server in
 * which it is decided:
 * 1. early data has not ended with this datagram: nothing is decided
 * 2. it ended and the handshake is complete on a resumed session: accepted
 * 3. it ended, and BoringSSL starts again with a full handshake (not complete, or not resumed): rejected
 *    isResumed alone does not tell: a server with early data switched off resumes the session and rejects
 *    (seen, as is that rule 3 then holds because the handshake completes one call later). Judged right with
 *    caddy 2.6.2 and ngtcp2; a server that splits EncryptedExtensions and Finished over two CRYPTO frames of
 *    one datagram and refuses 0-RTT on a resumed session would look like 2.
 */
export function earlyDataVerdict(seen: EarlyDataSnapshot): 'accepted' | 'rejected' | undefined {
  if (!seen.wasInEarlyData || seen.isInEarlyData) return undefined // 1
  return seen.isEstablished && seen.isResumed ? 'accepted' : 'rejected' // 2, 3
}
