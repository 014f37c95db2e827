import { createHash } from 'node:crypto'
import type { TlsOptions } from '../base/options/options.ts'

/**
 * The key of everything that is remembered about a TLS peer. Resumption skips the certificate checks (Node
 * runs neither the chain nor checkServerIdentity on a resumed connection), so whatever the checks depend on
 * must stand in the key: with a ticket from under another key a server could pass for someone whose
 * certificate it does not have. Like curl's TLS session cache, but over the contents of the CA, not its path.
 *
 * Keys are SHA-256, so that a key that ends up in a file or a log names no host.
 */

/** What decides whether a certificate is accepted, whoever presents it. */
export interface TrustPolicy {
  /** PEM; undefined is the list that is built into the runtime. */
  readonly ca: string | readonly string[] | undefined
  /** PEM of the client certificate that we present: the session carries our identity too. */
  readonly clientCertificate: string | undefined
  readonly rejectUnauthorized: boolean
  /** See TlsOptions. */
  readonly certificateHashes?: readonly string[] | undefined
  readonly minVersion: string | undefined
  readonly maxVersion: string | undefined
  readonly ciphers: string | undefined
  /**
   * Of the key exchange: who asks for post-quantum groups must not go on from a session that was made without
   * them.
   */
  readonly groups: string | undefined
  /**
   * Name and version of the TLS library: the ticket's format is its own (OpenSSL 3.0 and 3.5 do not read each
   * other's).
   */
  readonly tlsLibrary: string
}

/** Who is spoken to. */
export interface Peer {
  readonly host: string
  /** The name that goes into SNI and is checked against the certificate. */
  readonly serverName: string
  readonly port: number
  /** From trustDigest(). */
  readonly trust: string
  /**
   * The name of the way out, where it is not the direct one, with the local address if it has several: a
   * ticket that is shown on another would tell the peer that both are us.
   */
  readonly egress?: string | undefined
}

/**
 * Everything in the options of an origin that decides about trust, as a hash: for the key of its tickets, and
 * for whether its requests may go over a connection that was made with the options of another origin.
 */
export function trustOf(tls: TlsOptions, tlsLibrary: string): string {
  return trustDigest({
    ca: tls.ca,
    clientCertificate: tls.cert,
    rejectUnauthorized: tls.rejectUnauthorized ?? true,
    certificateHashes: tls.certificateHashes,
    minVersion: tls.minVersion,
    maxVersion: tls.maxVersion,
    ciphers: tls.ciphers,
    groups: tls.groups,
    tlsLibrary,
  })
}

/**
 * The policy as a hash. It may read a whole CA bundle: make it once per configuration, not once per
 * connection.
 */
export function trustDigest(policy: TrustPolicy): string {
  const authorities = policy.ca === undefined ? null : [policy.ca].flat().map(digest)
  // JSON keeps the fields apart, so that no value can pass for two.
  return digest(
    JSON.stringify([
      authorities,
      policy.clientCertificate === undefined ? null : digest(policy.clientCertificate),
      policy.rejectUnauthorized,
      policy.minVersion ?? null,
      policy.maxVersion ?? null,
      policy.ciphers ?? null,
      policy.groups ?? null,
      policy.tlsLibrary,
      ...(policy.certificateHashes === undefined ? [] : [policy.certificateHashes]),
    ]),
  )
}

/** The key of one peer under one policy: 43 characters that name nobody. */
export function peerKey(peer: Peer): string {
  const { host, serverName, port, trust, egress } = peer
  const fields = [host.toLowerCase(), serverName.toLowerCase(), port, trust]
  return digest(JSON.stringify(egress === undefined ? fields : [...fields, egress]))
}

function digest(text: string): string {
  return createHash('sha256').update(text).digest('base64url')
}
