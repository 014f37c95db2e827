import { type LoadedFfi, loadFfi } from '../native/load-ffi.ts'

/**
 * The part of OpenSSL's public interface that a TLS 1.3 client over memory needs, as the binaries of
 * nodejs.org export it. Names and arguments are those of the manual pages (SSL_new(3) and so on).
 *
 * Nobody checks a pointer: a wrong one, or one that was freed, ends the process. Hence a type for each kind,
 * which only these functions hand out, and one owner for each pointer: ContextCache has the contexts,
 * ClientMachine has the rest, and everything else goes through those two. Nothing here calls back into
 * JavaScript, but the key log where it was asked for (key-log.ts).
 */
export interface OpenSsl {
  OpenSSL_version_num(): number

  TLS_client_method(): Pointer<'SSL_METHOD'>
  SSL_CTX_new(method: Pointer<'SSL_METHOD'>): ContextPointer | null
  SSL_CTX_free(context: ContextPointer): void
  SSL_CTX_ctrl(
    context: ContextPointer,
    command: number,
    number: number,
    argument: Buffer | CertificatePointer | null,
  ): number
  SSL_CTX_set_ciphersuites(context: ContextPointer, names: string): number
  SSL_CTX_set_cipher_list(context: ContextPointer, names: string): number
  /** Takes a reference of its own. */
  SSL_CTX_set1_cert_store(context: ContextPointer, store: StorePointer): void
  /** Takes a reference of its own. */
  SSL_CTX_use_certificate(context: ContextPointer, certificate: CertificatePointer): number
  /** Takes a reference of its own. */
  SSL_CTX_use_PrivateKey(context: ContextPointer, key: KeyPointer): number
  SSL_CTX_set_keylog_callback(context: ContextPointer, callback: CallbackPointer): void

  X509_STORE_new(): StorePointer | null
  X509_STORE_free(store: StorePointer): void
  /** Takes a reference of its own. */
  X509_STORE_add_cert(store: StorePointer, certificate: CertificatePointer): number
  /** `password` must not be null: OpenSSL would ask for it on the terminal. */
  PEM_read_bio_X509_AUX(
    bio: BioPointer,
    into: null,
    callback: null,
    password: string,
  ): CertificatePointer | null
  /** `password` must not be null: OpenSSL would ask for it on the terminal. */
  PEM_read_bio_PrivateKey(bio: BioPointer, into: null, callback: null, password: string): KeyPointer | null
  X509_free(certificate: CertificatePointer): void
  EVP_PKEY_free(key: KeyPointer): void
  i2d_X509(certificate: CertificatePointer, into: [Buffer] | null): number
  X509_verify_cert_error_string(code: number): string

  BIO_s_mem(): Pointer<'BIO_METHOD'>
  BIO_new(method: Pointer<'BIO_METHOD'>): BioPointer | null
  BIO_free(bio: BioPointer): number
  BIO_read(bio: BioPointer, into: Buffer, byteCount: number): number
  BIO_write(bio: BioPointer, bytes: Buffer, byteCount: number): number
  BIO_ctrl_pending(bio: BioPointer): number

  SSL_new(context: ContextPointer): SslPointer | null
  /** Frees the two BIOs as well. */
  SSL_free(ssl: SslPointer): void
  SSL_set_bio(ssl: SslPointer, read: BioPointer, write: BioPointer): void
  SSL_set_connect_state(ssl: SslPointer): void
  SSL_set_verify(ssl: SslPointer, mode: number, callback: null): void
  SSL_ctrl(ssl: SslPointer, command: number, number: number, argument: string): number
  /** 0 is success here. */
  SSL_set_alpn_protos(ssl: SslPointer, names: Buffer, byteCount: number): number
  /** Takes a reference of its own. */
  SSL_set_session(ssl: SslPointer, session: SessionPointer | null): number
  SSL_set_verify_result(ssl: SslPointer, code: number): void
  SSL_get_verify_result(ssl: SslPointer): number
  SSL_do_handshake(ssl: SslPointer): number
  SSL_write_early_data(ssl: SslPointer, bytes: Buffer, byteCount: number, written: Buffer): number
  SSL_get_early_data_status(ssl: SslPointer): number
  SSL_read(ssl: SslPointer, into: Buffer, byteCount: number): number
  SSL_write(ssl: SslPointer, bytes: Buffer, byteCount: number): number
  SSL_shutdown(ssl: SslPointer): number
  SSL_get_error(ssl: SslPointer, result: number): number
  SSL_session_reused(ssl: SslPointer): number
  SSL_get_version(ssl: SslPointer): string
  /** Writes an address of OpenSSL's own and a length of 32 bits. */
  SSL_get0_alpn_selected(ssl: SslPointer, address: Buffer, length: Buffer): void
  /** The caller's to free. */
  SSL_get1_peer_certificate(ssl: SslPointer): CertificatePointer | null
  /** Not the caller's to free, and good until the next call with `ssl`. */
  SSL_get_session(ssl: SslPointer): SessionPointer | null

  d2i_SSL_SESSION(into: null, bytes: [Buffer], byteCount: number): SessionPointer | null
  i2d_SSL_SESSION(session: SessionPointer, into: [Buffer] | null): number
  SSL_SESSION_free(session: SessionPointer): void
  SSL_SESSION_is_resumable(session: SessionPointer): number
  SSL_SESSION_get_max_early_data(session: SessionPointer): number
  SSL_SESSION_get_protocol_version(session: SessionPointer): number

  ERR_clear_error(): void
  /** Takes the oldest one off the queue of this thread; 0: there is none. */
  ERR_get_error(): number
  ERR_reason_error_string(error: number): string | null
  ERR_error_string_n(error: number, into: Buffer, byteCount: number): void

  /** Of the C library. */
  memcpy(into: Buffer, from: bigint, byteCount: number): unknown
}

type Pointer<Kind extends string> = bigint & { readonly kind: Kind }
export type ContextPointer = Pointer<'SSL_CTX'>
export type SslPointer = Pointer<'SSL'>
export type BioPointer = Pointer<'BIO'>
export type SessionPointer = Pointer<'SSL_SESSION'>
export type CertificatePointer = Pointer<'X509'>
export type StorePointer = Pointer<'X509_STORE'>
export type KeyPointer = Pointer<'EVP_PKEY'>
export type CallbackPointer = Pointer<'callback'>

/**
 * How each of them looks in C. The arguments named `pp` are moved on by the callee; what is handed over for
 * them is a copy of the address.
 */
export const PROTOTYPES: Readonly<Record<keyof OpenSsl, string>> = {
  OpenSSL_version_num: 'ulong OpenSSL_version_num()',

  TLS_client_method: 'void *TLS_client_method()',
  SSL_CTX_new: 'void *SSL_CTX_new(void *method)',
  SSL_CTX_free: 'void SSL_CTX_free(void *ctx)',
  SSL_CTX_ctrl: 'long SSL_CTX_ctrl(void *ctx, int cmd, long larg, void *parg)',
  SSL_CTX_set_ciphersuites: 'int SSL_CTX_set_ciphersuites(void *ctx, const char *str)',
  SSL_CTX_set_cipher_list: 'int SSL_CTX_set_cipher_list(void *ctx, const char *str)',
  SSL_CTX_set1_cert_store: 'void SSL_CTX_set1_cert_store(void *ctx, void *store)',
  SSL_CTX_use_certificate: 'int SSL_CTX_use_certificate(void *ctx, void *x)',
  SSL_CTX_use_PrivateKey: 'int SSL_CTX_use_PrivateKey(void *ctx, void *pkey)',
  SSL_CTX_set_keylog_callback: 'void SSL_CTX_set_keylog_callback(void *ctx, void *cb)',

  X509_STORE_new: 'void *X509_STORE_new()',
  X509_STORE_free: 'void X509_STORE_free(void *store)',
  X509_STORE_add_cert: 'int X509_STORE_add_cert(void *store, void *x)',
  PEM_read_bio_X509_AUX: 'void *PEM_read_bio_X509_AUX(void *bio, void *x, void *cb, const char *u)',
  PEM_read_bio_PrivateKey: 'void *PEM_read_bio_PrivateKey(void *bio, void *x, void *cb, const char *u)',
  X509_free: 'void X509_free(void *x)',
  EVP_PKEY_free: 'void EVP_PKEY_free(void *pkey)',
  i2d_X509: 'int i2d_X509(void *x, void **pp)',
  X509_verify_cert_error_string: 'const char *X509_verify_cert_error_string(long n)',

  BIO_s_mem: 'void *BIO_s_mem()',
  BIO_new: 'void *BIO_new(void *type)',
  BIO_free: 'int BIO_free(void *bio)',
  BIO_read: 'int BIO_read(void *bio, void *data, int dlen)',
  BIO_write: 'int BIO_write(void *bio, const void *data, int dlen)',
  BIO_ctrl_pending: 'size_t BIO_ctrl_pending(void *bio)',

  SSL_new: 'void *SSL_new(void *ctx)',
  SSL_free: 'void SSL_free(void *ssl)',
  SSL_set_bio: 'void SSL_set_bio(void *ssl, void *rbio, void *wbio)',
  SSL_set_connect_state: 'void SSL_set_connect_state(void *ssl)',
  SSL_set_verify: 'void SSL_set_verify(void *ssl, int mode, void *cb)',
  SSL_ctrl: 'long SSL_ctrl(void *ssl, int cmd, long larg, const char *parg)',
  SSL_set_alpn_protos: 'int SSL_set_alpn_protos(void *ssl, const void *protos, uint protos_len)',
  SSL_set_session: 'int SSL_set_session(void *ssl, void *session)',
  SSL_set_verify_result: 'void SSL_set_verify_result(void *ssl, long arg)',
  SSL_get_verify_result: 'long SSL_get_verify_result(void *ssl)',
  SSL_do_handshake: 'int SSL_do_handshake(void *ssl)',
  SSL_write_early_data: 'int SSL_write_early_data(void *ssl, const void *buf, size_t num, void *written)',
  SSL_get_early_data_status: 'int SSL_get_early_data_status(void *ssl)',
  SSL_read: 'int SSL_read(void *ssl, void *buf, int num)',
  SSL_write: 'int SSL_write(void *ssl, const void *buf, int num)',
  SSL_shutdown: 'int SSL_shutdown(void *ssl)',
  SSL_get_error: 'int SSL_get_error(void *ssl, int ret)',
  SSL_session_reused: 'int SSL_session_reused(void *ssl)',
  SSL_get_version: 'const char *SSL_get_version(void *ssl)',
  SSL_get0_alpn_selected: 'void SSL_get0_alpn_selected(void *ssl, void *data, void *len)',
  SSL_get1_peer_certificate: 'void *SSL_get1_peer_certificate(void *ssl)',
  SSL_get_session: 'void *SSL_get_session(void *ssl)',

  d2i_SSL_SESSION: 'void *d2i_SSL_SESSION(void *a, const void **pp, long length)',
  i2d_SSL_SESSION: 'int i2d_SSL_SESSION(void *in, void **pp)',
  SSL_SESSION_free: 'void SSL_SESSION_free(void *session)',
  SSL_SESSION_is_resumable: 'int SSL_SESSION_is_resumable(void *session)',
  SSL_SESSION_get_max_early_data: 'uint32_t SSL_SESSION_get_max_early_data(void *session)',
  SSL_SESSION_get_protocol_version: 'int SSL_SESSION_get_protocol_version(void *session)',

  ERR_clear_error: 'void ERR_clear_error()',
  ERR_get_error: 'ulong ERR_get_error()',
  ERR_reason_error_string: 'const char *ERR_reason_error_string(ulong e)',
  ERR_error_string_n: 'void ERR_error_string_n(ulong e, void *buf, size_t len)',

  memcpy: 'void *memcpy(void *dest, const void *src, size_t n)',
}

const TEXT_BYTES = 256

/** What Node makes of an error of OpenSSL's: `code` is `ERR_SSL_` with the reason. */
export interface OpenSslError extends Error {
  readonly code: string
  readonly reason: string
}

/**
 * The oldest error in the queue of this thread as node:tls would report it; the queue is empty afterwards.
 * `what` is said when there is none.
 */
export function takeError(openssl: OpenSsl, what: string): OpenSslError {
  const number = openssl.ERR_get_error()
  if (number === 0) return makeError('ERR_SSL_FAILED', what, what)
  const reason = openssl.ERR_reason_error_string(number) ?? what
  const text = Buffer.alloc(TEXT_BYTES)
  openssl.ERR_error_string_n(number, text, text.length)
  openssl.ERR_clear_error()
  const code = `ERR_SSL_${reason.toUpperCase().replaceAll(/[^A-Z0-9]+/g, '_')}`
  return makeError(code, text.toString('latin1').replace(/\0.*$/s, ''), reason)
}

export function makeError(code: string, message: string, reason: string): OpenSslError {
  return Object.assign(new Error(message), { code, reason })
}

/** `unavailable` is for people: `explain` prints it. */
export type LoadedOpenSsl = { readonly openssl: OpenSsl } | { readonly unavailable: string }

let loaded: LoadedOpenSsl | undefined

/**
 * The OpenSSL that this process runs on, or why it cannot be called. Looked up with the first call; never
 * throws.
 */
export function openSsl(): LoadedOpenSsl {
  loaded ??= bindOpenSsl(loadFfi, process.versions['openssl'])
  return loaded
}

/** For tests, which say what is there. Never throws. */
export function bindOpenSsl(ffiOf: () => LoadedFfi, version: string | undefined): LoadedOpenSsl {
  // What BoringSSL puts behind the same names (Electron) looks the same and is not: it says 0.0.0, or
  // nothing.
  const [major, minor] = (version ?? '').split(/[.+-]/).map(Number)
  if (major !== 3 || minor === undefined || !Number.isInteger(minor))
    return { unavailable: `early data over TCP needs OpenSSL 3, and this is ${version ?? 'another library'}` }
  const found = ffiOf()
  if ('unavailable' in found) return found
  const functions: Record<string, unknown> = {}
  try {
    const library = found.ffi.load(null)
    for (const [name, prototype] of Object.entries(PROTOTYPES)) functions[name] = library.func(prototype)
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error)
    return { unavailable: `the binary of Node does not export what is needed of OpenSSL: ${reason}` }
  }
  const openssl = functions as unknown as OpenSsl // as: PROTOTYPES has each function with its C types
  // OPENSSL_VERSION_NUMBER: 0xMNN00PP0. Another library in the process could have been found instead, which
  // would not read Node's sessions. Patches may differ: a shared library is renewed without Node.
  if (openssl.OpenSSL_version_num() >>> 20 !== ((major << 8) | minor))
    return { unavailable: `the OpenSSL that was found is not ${version}, which Node uses` }
  return { openssl }
}
