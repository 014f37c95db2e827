/**
 * `middlemile/webtransport-quiche`: what `@fails-components/webtransport` loads from
 * `@fails-components/webtransport-transport-http3-quiche`, over our QUIC. docs/webtransport-package.md says
 * how it is put in place of that package.
 *
 * ```ts
 * export * from 'middlemile/webtransport-quiche'
 * ```
 */

export { Http3WebTransportClient, Http3WebTransportClientSocket } from './client.ts'
export { checkQuicheInit } from './client-transports.ts'
export { Http3WebTransportServer, Http3WebTransportServerSocket } from './server.ts'
