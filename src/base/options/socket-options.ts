/**
 * TCP sockets towards an origin. All but the first need native calls (native-notes/socket-options.md); where
 * they cannot be made, `explain` says so and the system's own values hold. The first three follow `liveness`
 * where they are not given: half of `intervalMs` + `timeoutMs` of silence, and two probes a quarter of it
 * apart, in whole seconds. What these take in all is the bound for a peer that acknowledges nothing of what
 * was sent, too: who watches for that is the transport itself, since TCP_USER_TIMEOUT would end connections
 * whose peer lives and takes nothing.
 */
export interface SocketOptions {
  /**
   * Silence before the first keepalive probe, in whole seconds (the nearest, and one at least); 0 switches
   * keepalive off. Default 10,000 ms.
   */
  keepAliveDelayMs: number
  /** From one keepalive probe to the next, likewise. 0: Node's, which is one second. Default 5,000 ms. */
  keepAliveIntervalMs: number
  /** Keepalive probes without an answer that end the connection. 0: Node's, which is ten. Default 2. */
  keepAliveProbes: number
  /**
   * How long what was sent may stay unacknowledged, or a peer take nothing although it answers, before the
   * kernel gives the connection up (TCP_USER_TIMEOUT). With it the kernel counts no keepalive probes, and the
   * transport leaves the watch to the kernel. 0: not set. Default 0 ms.
   */
  userTimeoutMs: number
  /**
   * The longest pause before something is sent again, or a peer that takes nothing is asked again
   * (TCP_RTO_MAX_MS, Linux 6.15 and later; 1,000 to 120,000, and what is less is refused). Not given: a
   * quarter of what keepalive takes in all. 0: the system's, two minutes. Default 5,000 ms.
   */
  retransmitMaxMs: number
  /**
   * What the kernel takes for sending beyond what is under way (TCP_NOTSENT_LOWAT): less means fresher
   * priorities, more means fewer wake-ups. 0: the system's. Default 0 bytes.
   */
  notSentLowWaterBytes: number
  /**
   * The congestion control by name (`cubic`, `bbr`, `reno`), where the kernel has it and permits it. Empty:
   * the system's. Default empty.
   */
  congestionControl: string
}

/**
 * The defaults of `socket`; the first three follow `liveness` where they are not given. Durations are in ms,
 * sizes in bytes.
 */
export const DEFAULT_SOCKET_OPTIONS: Readonly<SocketOptions> = {
  keepAliveDelayMs: 10_000,
  keepAliveIntervalMs: 5_000,
  keepAliveProbes: 2,
  userTimeoutMs: 0,
  retransmitMaxMs: 5_000,
  notSentLowWaterBytes: 0,
  congestionControl: '',
}
