/** One connection of a client, whatever it speaks, as its listener sees it. */
export interface IngressSession {
  /** A request has come over it. */
  readonly hasRequests: boolean
  /** Takes no more requests, and ends when those that are under way were answered. */
  drain(): void
  /** Ends at once. */
  destroy(): void
}
