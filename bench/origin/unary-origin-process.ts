import { readFileSync } from 'node:fs'
import { listen } from '../../src/ingress/listener.ts'
import { listenQuic } from '../../src/ingress/quic-listener.ts'
import { answerUnary } from './answers.ts'

/**
 * A program: an origin of short calls over HTTP/2 and HTTP/3, on TCP and UDP of the same port number.
 * Arguments: address, port, the files of the certificate and of its key. It sends a message when both listen.
 */
const [host = '', port = '', certFile = '', keyFile = ''] = process.argv.slice(2)
const address = { host, port: Number(port) }
const tls = { cert: readFileSync(certFile, 'utf8'), key: readFileSync(keyFile, 'utf8') }

/**
 * Its clients are few and ours: connections live as long as the run, and 256 calls may be under way on each.
 */
const maxConcurrentStreams = 256

await listen({
  address,
  tls: { ...tls, minVersion: 'TLSv1.3' },
  protocols: ['h2'],
  limits: { maxRequestsPerConnection: 0, http2: { maxConcurrentStreams } },
  handler: answerUnary,
})
await listenQuic({
  address,
  tls,
  retry: 'never',
  limits: {
    maxRequestsPerConnection: 0,
    quic: { maxRequestsPerConnection: 0, maxConcurrentStreams },
  },
  handler: answerUnary,
})
process.once('disconnect', () => process.exit(0))
process.send?.('listening')
