import { MIN_RTO_MS } from './retransmission.ts'

/**
 * What a figure over an impaired path does not show, a sentence each: reports print them beside the figure.
 */
export function limits(): readonly string[] {
  return [
    'the impairment is a relay in user space between two local sockets, not a network: it costs CPU, timers are up to a millisecond late, and packets between kernel and relay are those of the local path',
    'TCP: a loss is a computed stall: the stream is cut into pieces of 1,460 bytes, and a lost one holds back all behind it until TCP would have sent it again ' +
      `(a round trip after the third piece behind it, 1.25 after the first, else a timer of the round trip and ${MIN_RTO_MS} ms)`,
    'TCP: this shows head-of-line blocking and no congestion control: no slow start, and a loss does not slow the sender down afterwards, as it would; QUIC over the UDP relay does slow down',
    'TCP: no SYN is lost, the handshake costs one round trip and nothing more, a server that refuses is seen as one that accepts and resets, Fast Open saves nothing, and a black hole still accepts connections',
    "TCP: there are no packet counts, and TCP_INFO, keepalives and user timeouts of either end tell of the relay's kernel, which acknowledges at once",
    'TCP: after a black hole bytes go on at once, where a sender would wait for its next retransmission',
    'UDP: reordering is of datagrams alone, and makes QUIC wait and take them for lost; bytes of TCP are never overtaken',
    'UDP: no MTU, no ECN and no ICMP: nothing is told of what is lost',
  ]
}
