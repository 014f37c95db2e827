/** What passed a path, towards the server and back. */
export interface WireBytes {
  readonly sentBytes: number
  readonly receivedBytes: number
}

/** What passed between two readings. */
export function wireBetween(before: WireBytes, after: WireBytes): WireBytes {
  return {
    sentBytes: after.sentBytes - before.sentBytes,
    receivedBytes: after.receivedBytes - before.receivedBytes,
  }
}
