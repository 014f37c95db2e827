import type { PathCounts } from './impair/impair-messages.ts'
import type { WireBytes } from './results/scenario-result.ts'

/**
 * What has passed relays so far: payloads of TCP and UDP, without their headers and those of IP; lost ones
 * count.
 */
export function wireOf({ tcp, udp }: PathCounts): WireBytes {
  return {
    sentBytes: tcp.toServer.bytes + (udp?.toServer.bytes ?? 0),
    receivedBytes: tcp.toClient.bytes + (udp?.toClient.bytes ?? 0),
  }
}
