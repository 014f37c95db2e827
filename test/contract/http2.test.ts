import { describeConnection } from './connection-contract.ts'
import { http2Peer } from './http2-peer.ts'

describeConnection('h2, read into a buffer of ours', http2Peer('onread'))
describeConnection('h2, read by data events', http2Peer('data events'))
describeConnection('h2 over TLS, read into a buffer of ours', http2Peer('onread', { scheme: 'https' }))
