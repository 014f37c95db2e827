/** How the connector names itself to others; made once per process. */
export class OwnName {
  /** In Proxy-Status: a token, or a string where the pseudonym is not one (RFC 9209 2, RFC 8941 3.3). */
  readonly proxyStatus: string
  /**
   * Ends each Via entry of ours. The comment tells instances apart: two connectors in a row are a chain, the
   * same one twice is a loop (RFC 9110 7.6.3 lets an intermediary add a comment).
   */
  readonly viaEntry: string

  /** `instanceId` must differ between processes. */
  constructor(pseudonym: string, instanceId: string) {
    this.proxyStatus = proxyStatusName(pseudonym)
    this.viaEntry = `${pseudonym} (${instanceId})`
  }
}

/** A token, or a string where the pseudonym is not one. */
export function proxyStatusName(pseudonym: string): string {
  return /^[A-Za-z*][A-Za-z0-9!#$%&'*+.^_`|~:/-]*$/.test(pseudonym) ? pseudonym : `"${pseudonym}"`
}
