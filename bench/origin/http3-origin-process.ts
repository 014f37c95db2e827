import { readFileSync } from 'node:fs'
import {
  QUIC_CONGESTION_CONTROLS,
  type QuicCongestionControl,
} from '../../src/base/options/protocol-options.ts'
import { listenQuic } from '../../src/ingress/quic-listener.ts'
import { answer, counters } from './answers.ts'

/**
 * A program: our own HTTP/3 origin, in a process of its own. Arguments: the address, the UDP port, the files
 * of the certificate and of its key, the congestion control. Its port comes as a message, and its counters as
 * the answer to each message.
 */
const [host = '127.0.0.1', port = '0', certFile = '', keyFile = '', congestionControl = ''] =
  process.argv.slice(2)

let resumptions = 0
const listener = await listenQuic({
  address: { host, port: Number(port) },
  tls: { cert: readFileSync(certFile, 'utf8'), key: readFileSync(keyFile, 'utf8'), earlyData: true },
  retry: 'never',
  limits: {
    // As nginx beside it: connections live as long as the run.
    maxRequestsPerConnection: 0,
    // Credit for a stream comes back a round trip after its end: 100 requests at a time may need twice as
    // many streams.
    quic: {
      maxRequestsPerConnection: 0,
      maxConcurrentStreams: 256,
      ...(isKnown(congestionControl) && { congestionControl }),
    },
  },
  onHandshake: ({ isResumed }) => {
    if (isResumed) resumptions++
  },
  handler: answer,
})
process.on('message', () => {
  const { connections, requests } = listener.stats
  const { earlyRequests } = counters
  process.send?.({ connections: connections.accepted, requests, resumptions, earlyRequests })
})
process.once('disconnect', () => process.exit(0))
process.send?.(listener.port)

function isKnown(name: string): name is QuicCongestionControl {
  return QUIC_CONGESTION_CONTROLS.some(known => known === name)
}
