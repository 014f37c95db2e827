import { type ErrorCodeInfo, local, passing, remote } from './error-code-info.ts'

/**
 * The table of error codes: the single place that says whose fault a code is, what the service answers for
 * it, how RFC 9209 (Proxy-Status) calls it, what an operator can do about it, and whether it can pass.
 */

/**
 * Every error code with whose fault it is, the status that the service answers, and what to check or tune.
 * The docstring above a code says what happened; docs/errors.md is made of it.
 *
 * @example
 * ```ts
 * for (const [code, { fault, hint }] of Object.entries(ERROR_CODES)) console.log(code, fault, hint)
 * ```
 */
export const ERROR_CODES = {
  // The caller
  /**
   * A call got something that it cannot work with: a URL that is not http or https, an option out of its
   * range, a header name with a space. Nothing was sent.
   */
  MM_INVALID_ARGUMENT: local(500, 'proxy_internal_error', 'correct the call as the message says'),
  /**
   * The caller gave the request up: its signal fired, or it destroyed the body of the response. A second
   * copy that lost against the first one ends with it, too.
   */
  MM_ABORTED: local(499, 'http_request_error', 'nothing to do: the caller gave up'),
  /** The request came after `close()` or `drain()`, or was under way when `close()` ended everything. */
  MM_TRANSPORT_CLOSED: local(
    503,
    'proxy_internal_error',
    'the transport was closed or is draining; make a new one',
  ),
  /**
   * None of the allowed protocols can be spoken to this origin from here: mostly `protocols: [h3]` on a
   * machine without the optional QUIC package.
   */
  MM_PROTOCOL_UNAVAILABLE: local(
    502,
    'proxy_configuration_error',
    'choose a protocol that this build carries',
  ),
  /** The stream that gives the request body failed or closed before its end. The request was cut off. */
  MM_BODY_FAILED: local(
    400,
    'http_request_error',
    'look at the stream that gives the request body: it failed or closed before its end',
  ),
  /**
   * The request announced a content-length, and its body turned out longer or shorter. Sending it would
   * have confused the origin about where the next request begins.
   */
  MM_BODY_LENGTH: local(400, 'http_request_error', 'make content-length and the body agree'),
  /**
   * The configuration has faults. Each is listed with its line, its path and, for an unknown key, the
   * nearest known one. A reload with faults keeps the old configuration.
   */
  MM_CONFIG_INVALID: local(
    500,
    'proxy_configuration_error',
    'correct the configuration where the message points',
  ),
  /**
   * A listener could not be opened: the address is in use, is not one of this machine's, or needs rights
   * that the process lacks.
   */
  MM_LISTEN_FAILED: local(500, 'proxy_internal_error', 'choose an address that is free and ours to use'),
  // The pool
  /**
   * Every connection to the origin was busy, no more were allowed, and `pool.maxWaiters` requests were
   * waiting already. The request was refused at once.
   */
  MM_QUEUE_FULL: passing(
    local(503, 'connection_limit_reached', 'raise pool.maxWaiters or pool.maxConnections, or send less'),
  ),
  /** The request waited for a connection for `pool.queueTimeoutMs`, and none came free or could be made. */
  MM_QUEUE_TIMEOUT: passing(
    local(503, 'connection_limit_reached', 'raise pool.maxConnections or pool.queueTimeoutMs'),
  ),
  /**
   * Requests have been waiting for longer than `pool.queueTargetMs` for a while, so that the pool serves
   * the newest first and ends the longest waits. This request was one of those.
   */
  MM_QUEUE_OVERLOADED: passing(
    local(
      503,
      'connection_limit_reached',
      'more requests come than the origin serves: raise pool.maxConnections or pool.queueTargetMs, or send less',
    ),
  ),
  /**
   * So many requests to the origin were waiting or under way as `breakers.maxRequests` allows. The request
   * was refused at once.
   */
  MM_BREAKER_OPEN: passing(
    local(503, 'connection_limit_reached', 'raise breakers.maxRequests, or send less'),
  ),
  /**
   * So many requests were under way as the origin bears by its latency (`concurrency.limit: gradient`). The
   * request was refused at once.
   */
  MM_CONCURRENCY_LIMIT: passing(
    local(
      503,
      'connection_limit_reached',
      'more requests come than the origin answers in its usual time: look at the origin, or raise concurrency.min',
    ),
  ),
  /**
   * The origin is protected: all the connections that `protection.maxConnections` allows are in use, and the
   * request waited too long for its turn, or made room in a full queue.
   */
  MM_ORIGIN_PROTECTED: passing(
    local(
      503,
      'connection_limit_reached',
      'send the origin less, or raise protection.maxConnections if it can carry more',
    ),
  ),
  /** The process has no file descriptor left for another socket. */
  MM_OUT_OF_DESCRIPTORS: passing(
    local(
      503,
      'connection_limit_reached',
      'give the process more descriptors (LimitNOFILE, ulimit -n), or lower ingress.maxConnections and limits.maxTotalConnections',
    ),
  ),
  // Getting there
  /**
   * The local port of a connection: those that there are from one local address to one address and port of
   * the origin are used up, by `limits.maxPortShare` or as the kernel says.
   */
  MM_PORTS_EXHAUSTED: passing(
    local(
      503,
      'connection_limit_reached',
      'have connections reused or multiplexed, name more local addresses (egress.NAME.addresses), or widen net.ipv4.ip_local_port_range',
    ),
  ),
  /**
   * No address of the origin's egress is good for the connection: this machine does not have it (any more),
   * or the origin has addresses of the other family only.
   */
  MM_LOCAL_ADDRESS: passing(
    local(
      502,
      'proxy_configuration_error',
      'correct egress.NAME.addresses, or give this machine the address (ip address)',
    ),
  ),
  /** The host name has no address, or every DNS server answered with an error. */
  MM_DNS_FAILED: passing(remote(502, 'dns_error', 'check the resolver and the servers that it asks')),
  /** No DNS server answered in time, and no older answer was at hand. */
  MM_DNS_TIMEOUT: passing(remote(504, 'dns_timeout', 'check the resolver, or raise timeouts.dnsMs')),
  /**
   * The address that was to be dialed is private, loopback, link-local, reserved, or this machine's own, and
   * the transport connects to public ones only (`addressGuard`, or a route with `forward`).
   */
  MM_ADDRESS_REFUSED: remote(
    403,
    'destination_ip_prohibited',
    'if clients may reach that address, list its network in forward.allowPrivate of the route, or in addressGuard.allowPrivate',
  ),
  /** The machine answered that nothing listens on that port. */
  MM_CONNECT_REFUSED: passing(
    remote(502, 'connection_refused', 'check that the origin listens on that port'),
  ),
  /**
   * The connection could not be made, for another reason than a refusal or silence: no route, no local
   * port, a firewall that forbids it, a peer that closed during the handshake.
   */
  MM_CONNECT_FAILED: passing(
    remote(502, 'destination_unavailable', 'check routes and firewalls to the origin'),
  ),
  /**
   * Nothing came back from any address within `timeouts.connectMs`: mostly a firewall that drops
   * packets, or a machine that is down.
   */
  MM_CONNECT_TIMEOUT: passing(
    remote(504, 'connection_timeout', 'check the path to the origin, or raise timeouts.connectMs'),
  ),
  /**
   * Both sides reached each other and could not agree on TLS. The message says what the peer objected
   * to.
   */
  MM_TLS_FAILED: remote(502, 'tls_protocol_error', 'look at what the message says of the handshake'),
  /** The origin's certificate is not trusted, has expired, or is for another name. */
  MM_TLS_CERTIFICATE: remote(
    502,
    'tls_certificate_error',
    'look at what the message says of the certificate',
  ),
  /** The TCP connection was made, and the TLS handshake was not complete within `timeouts.tlsMs`. */
  MM_TLS_TIMEOUT: passing(remote(504, 'connection_timeout', 'check the origin, or raise timeouts.tlsMs')),
  /** The origin speaks none of the protocols that `protocols` allows. */
  MM_ALPN_MISMATCH: remote(502, 'tls_protocol_error', 'allow a protocol that the origin offers'),
  /** The origin speaks QUIC, but no version that we speak. */
  MM_QUIC_VERSION: remote(
    502,
    'destination_unavailable',
    'allow HTTP/2 or HTTP/1.1, or have the origin speak QUIC version 1 (RFC 9000) too',
  ),
  // Through a proxy
  /**
   * A proxy of the origin's egress could not be reached, broke off, or answered something that is neither
   * HTTP/1.1 nor SOCKS5. Nothing is known of the origin.
   */
  MM_PROXY_FAILED: passing(
    remote(
      502,
      'connection_terminated',
      'look at the proxy that the message names: the origin was not reached',
    ),
  ),
  /** A proxy did not open a tunnel within `timeouts.connectMs`. */
  MM_PROXY_TIMEOUT: passing(
    remote(
      504,
      'connection_timeout',
      'look at the proxy that the message names, or raise timeouts.connectMs',
    ),
  ),
  /** A proxy answered 407, or SOCKS5 did not accept the user and password. */
  MM_PROXY_AUTH: local(
    502,
    'proxy_configuration_error',
    'correct the user and password in the URL of the proxy (egress)',
  ),
  /** A proxy does not allow a tunnel to this origin, or to this port. */
  MM_PROXY_REFUSED: remote(
    502,
    'http_request_denied',
    'have the proxy that the message names allow tunnels to the host and port of the origin, of UDP for HTTP/3',
  ),
  // The exchange
  /**
   * The request was sent, and no response began within `timeouts.headersMs`. The origin may have acted
   * on it.
   */
  MM_HEADERS_TIMEOUT: passing(
    remote(
      504,
      'http_response_timeout',
      'the origin did not answer: raise timeouts.headersMs or look at the origin',
    ),
  ),
  /**
   * No response began within `retry.perTryTimeoutMs` of the last try that `retry` allowed. The origin may
   * have acted on the request.
   */
  MM_TRY_TIMEOUT: passing(
    remote(
      504,
      'http_response_timeout',
      'the origin is slow: raise retry.perTryTimeoutMs or look at the origin',
    ),
  ),
  /** A body stood still, in either direction, for `timeouts.bodyMs`. */
  MM_BODY_TIMEOUT: passing(
    remote(
      504,
      'http_response_timeout',
      'the flow of a body stopped: raise timeouts.bodyMs or look at the peer',
    ),
  ),
  /** The whole exchange, waiting and replays included, took longer than `timeouts.requestMs`. */
  MM_REQUEST_TIMEOUT: passing(
    remote(504, 'http_response_timeout', 'the whole exchange took too long: raise timeouts.requestMs'),
  ),
  /**
   * The peer closed the connection in order, but before the exchange was complete. Requests that may be
   * sent again have been, as often as `retry` allows.
   */
  MM_CONNECTION_CLOSED: passing(
    remote(
      502,
      'connection_terminated',
      'look at the log of the peer: it closed the connection before the exchange was complete',
    ),
  ),
  /** The connection broke: a reset, a network error, or a peer that answered nothing any more. */
  MM_CONNECTION_RESET: passing(
    remote(
      502,
      'connection_terminated',
      'look at the peer and at the path to it: the connection broke before the exchange was complete',
    ),
  ),
  /** An idle connection was checked before its reuse, and did not answer or had ended. */
  MM_PING_FAILED: passing(
    remote(
      502,
      'connection_terminated',
      'look at the peer and at the path to it, or lower pool.idleTimeoutMs: it did not answer the check before reuse',
    ),
  ),
  /**
   * The origin said that it did not process the request (GOAWAY, REFUSED_STREAM, H3_REQUEST_REJECTED),
   * and the replays that `retry` allows met the same.
   */
  MM_REFUSED: passing(
    remote(
      502,
      'connection_terminated',
      'look at the load and at the restarts of the origin: it refused the request unprocessed',
    ),
  ),
  /** The peer ended this one exchange with an error code; the connection lives on. */
  MM_STREAM_RESET: passing(
    remote(
      502,
      'connection_terminated',
      'the peer reset the stream of this exchange: look at its log for the error that the message names',
    ),
  ),
  /**
   * A WebSocket or another upgrade was asked for, and neither extended CONNECT nor HTTP/1.1 can carry it
   * to this origin.
   */
  MM_UPGRADE_UNAVAILABLE: remote(
    502,
    'http_upgrade_failed',
    'the origin offers no extended CONNECT on this connection (RFC 8441): allow http/1.1 for it',
  ),
  /** WebTransport was asked for, and the origin has none, or no HTTP/3: the message has the evidence. */
  MM_WEBTRANSPORT_UNAVAILABLE: remote(502, 'http_upgrade_failed', 'see what probe and explain say of h3'),
  /** The origin answered the CONNECT of a session of WebTransport with another status than 2xx. */
  MM_WEBTRANSPORT_REFUSED: remote(502, 'http_upgrade_failed', 'look at path, headers and the origin log'),
  /** A client asked for a session of WebTransport where its listener, or the protocol, offers none. */
  MM_WEBTRANSPORT_NOT_OFFERED: remote(501, 'http_request_denied', 'set webTransport of the listener'),
  /** As many sessions as `webTransport.maxSessions` of the listener allows are open. */
  MM_WEBTRANSPORT_LIMIT: passing(local(503, 'connection_limit_reached', 'raise webTransport.maxSessions')),
  /** A session of WebTransport was closed, by either side, and what was on it with it. */
  MM_WEBTRANSPORT_CLOSED: remote(502, 'connection_terminated', 'look at the close code in the message'),
  /** The origin demands HTTP/1.1 for this request, and HTTP/1.1 is not allowed for it. */
  MM_HTTP11_REQUIRED: remote(
    502,
    'http_protocol_error',
    'the origin takes this request over HTTP/1.1 only (HTTP_1_1_REQUIRED): allow http/1.1 for it',
  ),
  /**
   * The peer sent more of something useless than a limit allows (resets, pings, empty frames), and the
   * connection was ended.
   */
  MM_EXCESSIVE_LOAD: remote(
    502,
    'http_protocol_error',
    'the peer made work that helps nobody (a flood): raise the limit that the message names, or look at the peer',
  ),
  /**
   * The peer sent bytes that its protocol does not allow. The connection cannot be trusted any more, and
   * was ended.
   */
  MM_PROTOCOL_ERROR: remote(502, 'http_protocol_error', 'the peer broke the protocol: look at what it sent'),
  /** The head of a response, or its trailers, are larger than the limits allow. */
  MM_HEADER_LIMIT: remote(
    502,
    'http_response_header_section_size',
    'raise limits.maxHeaderBytes or limits.maxHeaderCount',
  ),
  // The ingress
  /**
   * A client's request was malformed, or could be read in two ways, which is how requests are smuggled.
   * It was answered with 400, and its connection closed.
   */
  MM_BAD_REQUEST: remote(
    400,
    'http_request_error',
    'look at the client: it sent a malformed or ambiguous request',
  ),
  /** A client's request has a transfer coding other than `chunked`. */
  MM_TRANSFER_CODING: remote(
    501,
    'http_request_error',
    'the client compresses its request as a transfer coding: send Transfer-Encoding: chunked alone (RFC 9112 6.1)',
  ),
  /** A client's request line is longer than `ingress.maxLineBytes`. */
  MM_URI_TOO_LONG: remote(414, 'http_request_error', 'raise ingress.maxLineBytes'),
  /** A client's request head, or its trailers, are larger than the limits of `ingress` allow. */
  MM_REQUEST_HEADER_LIMIT: remote(
    431,
    'http_request_error',
    'raise ingress.maxHeaderBytes or ingress.maxHeaderCount',
  ),
  /** A client's request body is larger than `ingress.maxBodyBytes`, or `maxBodyBytes` of its route. */
  MM_REQUEST_BODY_LIMIT: remote(
    413,
    'http_request_error',
    'raise ingress.maxBodyBytes, or maxBodyBytes of the route',
  ),
  /** A client began a request and did not send the rest in time, or at less than `ingress.minRequestRate`. */
  MM_CLIENT_TIMEOUT: passing(
    remote(
      408,
      'http_request_error',
      'the client sent its request too slowly: raise ingress.requestTimeoutMs',
    ),
  ),
  /** The client closed its connection, or reset the stream, before it had its response. */
  MM_CLIENT_GONE: remote(
    499,
    'http_request_error',
    'nothing to do, unless it is often: then answer sooner, or look at the timeout of the client',
  ),
  /**
   * A client read nothing of its response while other requests waited for the connection that it held,
   * and was ended for them; or it took its responses at less than `ingress.minResponseRate`.
   */
  MM_CLIENT_TOO_SLOW: remote(
    499,
    'http_request_error',
    'the client held a connection that others waited for: raise pool.maxStalledConnections, pool.maxConnections or forwarding.buffering',
  ),
  /** A client address sends more requests than `ingress.requestRatePerClient` allows. */
  MM_CLIENT_RATE: passing(
    remote(
      429,
      'http_request_denied',
      'the client asks too often: raise ingress.requestRatePerClient, or look at what it does',
    ),
  ),
  /** The client used a method that is not forwarded: CONNECT without a route that has `forward`, or TRACE. */
  MM_METHOD_REFUSED: remote(
    405,
    'http_request_denied',
    'use a method that the connector forwards: all but TRACE, and CONNECT where no route has forward',
  ),
  /**
   * The event loop has been busy with requests for longer than `ingress.shedTargetMs`, turn after turn.
   * The request was refused before any work was done on it.
   */
  MM_OVERLOADED: passing(
    local(
      503,
      'http_request_denied',
      'more requests come than this process can work off: give it more CPU, or raise ingress.shedTargetMs',
    ),
  ),
  /**
   * A request to a route with `forward` names no origin (`GET /path`), or one in a notation that is not the
   * usual one: `127.1`, `0x7f000001`.
   */
  MM_NO_TARGET: remote(
    400,
    'http_request_error',
    'tell the client that this is a proxy: curl -x, http_proxy; and write addresses as usual',
  ),
  /** A client named an origin that is not in `forward.allow` of the route. */
  MM_TARGET_REFUSED: remote(
    403,
    'http_request_denied',
    'if clients may reach it, add its host, and a port that is not the usual one, to forward.allow',
  ),
  /** A client of a route with `forward.auth` sent no credentials, or unknown ones. */
  MM_CLIENT_CREDENTIALS: remote(
    407,
    'http_request_denied',
    'give the client a user and password of forward.auth',
  ),
  /** As many tunnels as `forward.maxTunnels` allows are open. */
  MM_TUNNEL_LIMIT: passing(
    local(503, 'connection_limit_reached', 'raise forward.maxTunnels, or lower forward.tunnelIdleTimeout'),
  ),
  /** Nothing went through a tunnel, or a session of WebTransport, for as long as it may: it was ended. */
  MM_TUNNEL_IDLE: local(504, 'connection_timeout', 'raise tunnelIdleTimeout, udpIdleTimeout or idleTimeout'),
  /** No origin and no route matches the host and path of the request. */
  MM_NO_ROUTE: local(404, 'destination_not_found', 'add the host to an origin or a route'),
  /**
   * The path of the request leads above its root, holds an escaped NUL or hidden dot segments, or servers may
   * read it as one of another route; or its route makes no path, host or location of it: see docs/routing.md.
   */
  MM_PATH_REFUSED: local(
    400,
    'http_request_error',
    'if the origin reads such paths as they are written, set forwarding.ambiguousPaths to pass',
  ),
  /** The request carries our own name in `Via`: it has passed through this connector before. */
  MM_LOOP_DETECTED: local(
    502,
    'proxy_loop_detected',
    'the request passed through this connector before: check routes',
  ),
  /**
   * A defect: something happened that the code holds to be impossible. It cost this exchange or its
   * connection, and the process went on.
   */
  MM_INTERNAL: local(500, 'proxy_internal_error', 'a defect of middlemile: please report it'),
} as const satisfies Record<string, ErrorCodeInfo>

/**
 * The code of a TransportError: one of the names in ERROR_CODES.
 *
 * @example
 * ```ts
 * const retried: readonly ErrorCode[] = ['MM_CONNECT_REFUSED', 'MM_CONNECT_TIMEOUT']
 * console.log(retried.includes(error.code))
 * ```
 */
export type ErrorCode = keyof typeof ERROR_CODES
