/** One connection of a client, whatever it speaks, as its listener sees it. */
export interface IngressSession {
  /** Takes no more requests, and ends when those that are under way were answered. */
  drain(): void
  /** Ends at once. */
  destroy(): void
}
