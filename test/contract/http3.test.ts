import { describe } from 'vitest'
import { noQuic } from '../support/quic-engine.ts'
import { describeConnection } from './connection-contract.ts'
import { ContractBench } from './contract-bench.ts'
import { describeGuests } from './contract-guests.ts'
import { http3Peer } from './http3-peer.ts'

describe.skipIf(noQuic !== undefined)(`h3 ${noQuic ?? 'over QUIC on loopback'}`, () => {
  describeConnection('h3', http3Peer())
  describe('shared', () => describeGuests('h3', new ContractBench(http3Peer())))
})
