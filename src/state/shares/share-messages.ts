/**
 * What a member asks of the ledger, as plain data: it travels between processes as JSON. A member has one
 * message under way at a time, and numbers them.
 */
export interface ShareRequest {
  /** What is shared: the key of an origin. */
  readonly of: string
  /** Who asks; no two members have the same. */
  readonly member: string
  /** Greater than that of any message that it sent before. */
  readonly number: number
  /** What all members may have together. */
  readonly ceiling: number
  /**
   * What the member has, or may take before the answer comes: it never has more until then. What is less than
   * it was granted is given back.
   */
  readonly keeps: number
  /** What it has a use for. */
  readonly wants: number
  /** What the host may have of the ceiling while nobody says how much that is. Left out: nothing. */
  readonly floor?: number
  /** It goes away, and keeps nothing. */
  readonly leaves?: boolean
}

/** What the ledger answers. */
export interface ShareAnswer {
  /** That of the request. */
  readonly number: number
  /** What the member may have from now on. Less than it keeps: it is to give that back as soon as it can. */
  readonly share: number
  /** What there is to share, which may be less than the ceiling: this ledger has a share of that itself. */
  readonly limit: number
  /** Members that the ledger knows, this one included. */
  readonly members: number
  /** What all of them want, and what is granted. */
  readonly wanted: number
  readonly granted: number
}

/** The way from a member to the ledger, wherever that is: in the supervisor of workers, or in Redis. */
export interface SharePort {
  /** Rejects, in bounded time, when there is no answer. */
  ask(request: ShareRequest): Promise<ShareAnswer>
  /** Has the listener called with what is shared where another question would have another answer. */
  onNews?(listener: (of: string) => void): void
}
