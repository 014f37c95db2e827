/**
 * `middlemile/testing`: a clock, a network, certificates and origins for tests of whatever is built on
 * middlemile.
 *
 * ```ts
 * import { createTransport } from 'middlemile'
 * import { startSlowOrigin } from 'middlemile/testing'
 * const origin = await startSlowOrigin({ delayMs: 500 })
 * const transport = createTransport({ defaults: { timeouts: { headersMs: 100 } } })
 * await transport.request(`${origin.url}/`).catch(error => console.log(error.code)) // MM_HEADERS_TIMEOUT
 * ```
 */

export {
  type CertificateAuthority,
  createCertificateAuthority,
  type IssuedCertificate,
  type IssueOptions,
} from './certificates.ts'
export { FakeClock } from './fake-clock.ts'
export { type Http2Origin, type Http2OriginSettings, startHttp2Origin } from './http2-origin.ts'
export { type Http3Origin, type Http3OriginSettings, startHttp3Origin } from './http3-origin.ts'
export type { SeenRequest } from './origin-answers.ts'
export {
  type OriginSettings,
  startIdleClosingOrigin,
  startQuickOrigin,
  startRecyclingOrigin,
  startSlowOrigin,
  type TestOrigin,
} from './origins.ts'
export {
  type DatagramEnd,
  type LinkConditions,
  type LinkStats,
  type PathConditions,
  type PipeEnd,
  SimulatedNetwork,
} from './simulated-network.ts'
