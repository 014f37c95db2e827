import type { Protocol } from '../../index.ts'
import type { ClientCertificates } from '../../ingress/listener.ts'
import type { RetryRule } from '../../ingress/quic-listener.ts'
import type { UnknownNames } from '../../ingress/tls/tls-clients.ts'

/** One address that clients connect to. */
export interface ListenConfig {
  /** `127.0.0.1:8080`, `[::1]:8080`, `:8080` for every address; port 0 takes a free one. */
  address?: string | undefined
  /**
   * A Unix socket in place of an address: a path, relative to that of the file. A file that nobody listens on
   * is removed at the start, and the socket with the service. Clients are called `unix:` then, and no limit
   * for each client holds. Not with h3.
   */
  unix?: string | undefined
  /** Permissions of that file, in quotes. Default `0660`. */
  mode?: string | undefined
  /** Certificate and key. Default: plain HTTP. */
  tls?: ListenTlsConfig | undefined
  /**
   * What clients may speak. Default: h2 and http/1.1; with TLS by ALPN, without it h2 by prior knowledge.
   * With h3 the UDP port of the same number is opened as well, and responses announce it (Alt-Svc); it
   * needs `tls` and `@matrixai/quic`.
   */
  protocols?: Protocol[] | undefined
  /** HTTP/3 with clients, where `protocols` names it. */
  http3?: Http3ListenConfig | undefined
  /**
   * Sessions of WebTransport, which go on to the origins of their routes: `true`, or limits for them. Needs
   * h3 in `protocols`. Default `false`.
   */
  webTransport?: boolean | WebTransportListenConfig | undefined
  /**
   * TCP Fast Open: how many clients may wait at once whose data came with their SYN, e.g. 256. Default 0:
   * off. Only with `tls`. Where the kernel does not allow it (net.ipv4.tcp_fastopen without 0x2) or native
   * calls are missing, a warning says so, and the listener works without.
   */
  fastOpen?: number | undefined
  /**
   * Clients come through a proxy that sends the PROXY protocol (version 1 or 2; nginx' `proxy_protocol on`,
   * haproxy's `send-proxy-v2`): `true`, or the addresses and networks that may, such as `[10.0.0.0/8]`.
   * Every connection must begin with its header then, and the client that it names is the one in logs,
   * limits and `Forwarded`. Default `false`.
   */
  proxyProtocol?: boolean | string[] | undefined
}

/** `tls` of a listener. */
interface ListenTlsConfig {
  /** The certificate, with its chain, PEM or a file of it. */
  cert?: string | undefined
  /** Its key, PEM or a file of it. */
  key?: string | undefined
  /**
   * Several, in place of `cert` and `key`, each `{ cert, key }`: a client is shown the one that has the name
   * that it asks for (SNI), exactly or by a wildcard, and of those the one that it can verify, where one is
   * RSA and another ECDSA. The first one is for everybody else. Files are looked at every
   * `certificates.checkInterval`.
   */
  certificates?: { cert: string; key: string }[] | undefined
  /**
   * Clients that ask for a name that no certificate has: `first`, they are shown the first one; `refuse`,
   * their handshake ends with `unrecognized_name`. Who asks for no name is shown the first one. Default
   * `first`.
   */
  unknownNames?: UnknownNames | undefined
  /**
   * Authorities of client certificates, PEM or files of it: clients are asked for one, and the origin
   * receives it as `Client-Cert` (RFC 9440), which clients cannot send themselves. With h3 it goes without
   * `http3.earlyData`. Default: nobody is asked.
   */
  clientCa?: string | string[] | undefined
  /**
   * `require`: the handshake of a client fails that shows none of these authorities; `ask`: it goes on
   * as a client without; not with h3. Default `require`, where `clientCa` is given.
   */
  clientCertificates?: ClientCertificates | undefined
}

/** `http3` of a listener. */
interface Http3ListenConfig {
  /**
   * Whether clients have to prove their address first (Retry, RFC 9000 8.1.2), which costs them a round trip:
   * `under-load`, when 500 handshakes are under way; `always`; `never`. Default `under-load`.
   */
  retry?: RetryRule | undefined
  /**
   * `safe`: requests with a safe method and no body are served before the handshake is complete (0-RTT),
   * with `Early-Data: 1`, and the origin's 425 goes to the client (RFC 8470); others wait for the
   * handshake. Default `off`.
   */
  earlyData?: 'off' | 'safe' | undefined
  /**
   * Clients may move to another address in mid-connection. Only where all clients are yours: see
   * docs/http3-clients.md. Default `off`.
   */
  clientMigration?: 'off' | 'on' | undefined
  /**
   * What responses announce: the `port` that clients reach (default: that of the listener), for `maxAge`
   * (default 1d); `off`: nothing.
   */
  altSvc?: 'off' | { port?: number | undefined; maxAge?: number | string | undefined } | undefined
}

/** `webTransport` of a listener. */
interface WebTransportListenConfig {
  /** Sessions at once, in each worker; what comes beyond is answered with 503. Default 1,000. */
  maxSessions?: number | undefined
  /**
   * Sessions at once on one connection; what comes beyond is rejected. Default: that of
   * `ingress.http3.maxSessions`, 16.
   */
  maxSessionsPerConnection?: number | undefined
  /** A session through which nothing goes for so long is closed. 0: none is. Default 10m. */
  idleTimeout?: number | string | undefined
}
