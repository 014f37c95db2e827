import { describe } from 'vitest'
import { requireOpenssl } from '../support/require-openssl.ts'
import { describeConnection } from './connection-contract.ts'
import { http1Peer } from './http1-peer.ts'

describeConnection('http/1.1, read into a buffer of ours', http1Peer('onread'))
describeConnection('http/1.1, read by data events', http1Peer('data events'))
describeConnection('http/1.1 over TLS, read into a buffer of ours', http1Peer('onread', 'https'))

const missing = requireOpenssl()
describe.skipIf(missing !== undefined)(
  `over the TLS client that can send early data (${missing ?? 'OpenSSL'})`,
  () => {
    describeConnection('http/1.1', http1Peer('early'))
  },
)
