/**
 * What HTTP/2 costs without sockets. Both roles together: one request here is more than a client's or a
 * proxy's half of it. For regressions, not for proof.
 */
import type { OutgoingRequest } from '../../../src/http/multiplex/client-session.ts'
import type { MicroSuite } from '../suite.ts'
import { Http2Pair } from './http2-pair.ts'

/** What comes again, field for field: its block is decoded once. */
const PLAIN: OutgoingRequest = {
  method: 'GET',
  scheme: 'https',
  authority: 'www.example.com',
  path: '/assets/app/main-4f2c1b.js?v=12',
  protocol: undefined,
  headers: [
    ['user-agent', 'Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0'],
    ['accept', '*/*'],
    ['accept-language', 'en-US,en;q=0.5'],
    ['accept-encoding', 'gzip, deflate, br, zstd'],
    ['referer', 'https://www.example.com/start'],
    ['if-none-match', '"66f1a2b3-1f40"'],
    ['x-request-id', '7f3d9a52c1e84b06'],
  ].flat(),
}
/** A secret is sent as a literal and kept nowhere, so that its block is decoded each time. */
const SECRET: OutgoingRequest = {
  ...PLAIN,
  headers: [...PLAIN.headers, 'cookie', 'session=0123456789abcdef0123456789abcdef; theme=dark'],
}

const CASES = [
  { kind: 'plain', request: PLAIN, streams: 1, bytes: 1024 },
  { kind: 'plain', request: PLAIN, streams: 32, bytes: 1024 },
  { kind: 'plain', request: PLAIN, streams: 100, bytes: 1024, hasSites: true },
  { kind: 'with a cookie', request: SECRET, streams: 100, bytes: 1024, hasSites: true },
  { kind: 'plain', request: PLAIN, streams: 32, bytes: 102_400 },
  { kind: 'plain', request: PLAIN, streams: 1, bytes: 16_777_216 },
] as const

export const suite: MicroSuite = {
  name: 'http2',
  operation: 'request',
  cases: CASES.map(({ kind, request, streams, bytes, ...rest }) => ({
    ...rest,
    name: `${kind}, ${streams} at a time, ${bytes} bytes`,
    operationsPerCall: streams,
    bytesPerOperation: bytes,
    prepare: () => {
      const pair = new Http2Pair()
      return () => pair.run(request, streams, bytes)
    },
  })),
}
