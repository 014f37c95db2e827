/** Somebody who can forward HTTP to a TLS origin, us included. */
export interface Peer {
  readonly name: string
  /** Why it cannot run here; undefined: it can. */
  unavailable(): string | undefined
  start(setting: PeerSetting): Promise<RunningPeer>
}

/**
 * The same for every peer: one CPU unless it has several workers, 64 pooled connections to the origin, its
 * certificate verified.
 */
interface PeerSetting {
  /** A directory of its own for configuration and temporary files. */
  directory: string
  /** Where to listen, on 127.0.0.1, without TLS. */
  port: number
  /** What its clients speak; h2 by prior knowledge. */
  ingress: 'http/1.1' | 'h2'
  cpu: number | undefined
  /** Processes, or threads, that take requests. Default: one, without a supervisor of ours. */
  workers?: number | undefined
  origin: {
    /** On 127.0.0.1. */
    port: number
    /** The name in its certificate, and in SNI. */
    serverName: string
    caFile: string
  }
}

export interface RunningPeer {
  /** The root of its processes. */
  readonly pid: number
  stop(): Promise<void>
}

export const UPSTREAM_CONNECTIONS = 64

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
