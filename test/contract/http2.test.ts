import { describe } from 'vitest'
import { requireOpenssl } from '../support/require-openssl.ts'
import { describeConnection } from './connection-contract.ts'
import { http2Peer } from './http2-peer.ts'

describeConnection('h2, read into a buffer of ours', http2Peer('onread'))
describeConnection('h2, read by data events', http2Peer('data events'))
describeConnection('h2 over TLS, read into a buffer of ours', http2Peer('onread', { scheme: 'https' }))

const missing = requireOpenssl()
describe.skipIf(missing !== undefined)(
  `over the TLS client that can send early data (${missing ?? 'OpenSSL'})`,
  () => {
    describeConnection('h2', http2Peer('early'))
  },
)
