import type { Peer } from './peer.ts'

/** Those that can run here, and of the others why not. */
export function availablePeers(wanted: readonly Peer[]): {
  peers: Peer[]
  unavailable: { subject: string; because: string }[]
} {
  const peers: Peer[] = []
  const unavailable: { subject: string; because: string }[] = []
  for (const peer of wanted) {
    const because = peer.unavailable()
    if (because === undefined) peers.push(peer)
    else unavailable.push({ subject: peer.name, because })
  }
  return { peers, unavailable }
}
