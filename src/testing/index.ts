/** `middlemile/testing`: a clock, a network, certificates and origins for tests of whatever is built on middlemile. */

export { seededRandom } from '../seeded-random.ts'
export {
  type CertificateAuthority,
  createCertificateAuthority,
  type IssuedCertificate,
  type IssueOptions,
} from './certificates.ts'
export { FakeClock } from './fake-clock.ts'
export { type Http2Origin, type Http2OriginSettings, startHttp2Origin } from './http2-origin.ts'
export { type Http3Origin, type Http3OriginSettings, startHttp3Origin } from './http3-origin.ts'
export { patternBytes } from './origin-answers.ts'
export {
  type OriginSettings,
  startIdleClosingOrigin,
  startQuickOrigin,
  startRecyclingOrigin,
  startSlowOrigin,
  type TestOrigin,
} from './origins.ts'
export {
  DatagramEnd,
  type LinkConditions,
  type LinkStats,
  type PathConditions,
  PipeEnd,
  SimulatedNetwork,
} from './simulated-network.ts'
