import type { CertificateAuthority } from '../../src/testing/certificates.ts'
import { type Nginx, startNginx } from './nginx.ts'

/**
 * nginx on several loopback addresses and one port (`tlsPort`), as the addresses of one host name are, over HTTP/2
 * and HTTP/1.1. Each answers with its address and the name in the TLS handshake: `127.0.0.2 localhost`; `/slow/1m`
 * takes some two seconds.
 */
export function startAddressedNginx(
  addresses: readonly string[],
  authority: CertificateAuthority,
): Promise<Nginx> {
  const servers = addresses.map(
    address => `server {
    listen ${address}:TLS_PORT ssl http2;
    location / { return 200 "${address} $ssl_server_name"; }
    location /slow/ { alias www/; limit_rate 400k; }
  }`,
  )
  return startNginx({ http2: true, authority, names: ['localhost'], extraHttp: servers.join('\n') })
}
