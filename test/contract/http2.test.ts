import { describe } from 'vitest'
import { requireOpenssl } from '../support/require-openssl.ts'
import { describeConnection } from './connection-contract.ts'
import { ContractBench } from './contract-bench.ts'
import { describeGuests } from './contract-guests.ts'
import { http2Peer } from './http2-peer.ts'

describeConnection('h2, read into a buffer of ours', http2Peer('onread'))
describeConnection('h2, read by data events', http2Peer('data events'))
describe('shared', () => describeGuests('h2', new ContractBench(http2Peer('onread'))))
describeConnection('h2 over TLS, read into a buffer of ours', http2Peer('onread', { scheme: 'https' }))

const missing = requireOpenssl()
describe.skipIf(missing !== undefined)(
  `over the TLS client that can send early data (${missing ?? 'OpenSSL'})`,
  () => {
    describeConnection('h2', http2Peer('early'))
  },
)
