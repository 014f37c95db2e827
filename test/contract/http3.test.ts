import { describe } from 'vitest'
import { noQuic } from '../support/quic-engine.ts'
import { describeConnection } from './connection-contract.ts'
import { http3Peer } from './http3-peer.ts'

describe.skipIf(noQuic !== undefined)(`h3 ${noQuic ?? 'over QUIC on loopback'}`, () => {
  describeConnection('h3', http3Peer())
})
