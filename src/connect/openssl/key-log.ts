import { loadFfi } from '../native/load-ffi.ts'
import type { CallbackPointer, OpenSsl, SslPointer } from './openssl.ts'

/** A connection has five lines, and one more for each update of its keys: what comes beyond is not kept. */
const MAX_LINES = 64

/**
 * The lines of SSLKEYLOGFILE come by a callback from C, and by nothing else of OpenSSL's. It is the only one
 * here, it is set for contexts of those who asked for it, and all it does is to put a string into an array:
 * it runs within a call of ours on this thread (SSL_do_handshake, SSL_read, SSL_write_early_data), never by
 * itself, and must neither throw nor call OpenSSL.
 */
export interface KeyLog {
  readonly callback: CallbackPointer
  open(ssl: SslPointer): void
  /** What came for it since the last time. */
  take(ssl: SslPointer): readonly string[]
  /** To be called before `ssl` is freed: its address will be another connection's. */
  close(ssl: SslPointer): void
}

/** The part of koffi that makes a function of ours callable from C. */
interface Callbacks {
  proto(prototype: string): unknown
  pointer(type: unknown): unknown
  register(callback: (...args: unknown[]) => unknown, type: unknown): unknown
}

const NO_LINES: readonly string[] = []
const made = new WeakMap<OpenSsl, { readonly keyLog: KeyLog | undefined }>()

/** One for all connections, registered with the first call, for good. Undefined where it cannot be made. */
export function keyLogOf(openssl: OpenSsl): KeyLog | undefined {
  let known = made.get(openssl)
  if (known === undefined) {
    known = { keyLog: makeKeyLog() }
    made.set(openssl, known)
  }
  return known.keyLog
}

function makeKeyLog(): KeyLog | undefined {
  const found = loadFfi()
  if ('unavailable' in found || !hasCallbacks(found.ffi)) return undefined
  const { ffi } = found
  const lines = new Map<SslPointer, string[]>()
  const onLine = (ssl: unknown, line: unknown): void => {
    const kept = lines.get(ssl as SslPointer) // as: the pointer that we gave OpenSSL, or one in no map
    if (kept !== undefined && kept.length < MAX_LINES && typeof line === 'string') kept.push(line)
  }
  let callback: CallbackPointer
  try {
    const type = ffi.pointer(ffi.proto('void MiddlemileKeyLog(void *ssl, const char *line)'))
    callback = ffi.register(onLine, type) as CallbackPointer // as: register returns an address
  } catch {
    return undefined
  }
  return {
    callback,
    open: ssl => void lines.set(ssl, []),
    take(ssl) {
      const kept = lines.get(ssl)
      if (kept === undefined || kept.length === 0) return NO_LINES
      lines.set(ssl, [])
      return kept
    },
    close: ssl => void lines.delete(ssl),
  }
}

function hasCallbacks(ffi: object): ffi is Callbacks {
  return 'proto' in ffi && 'pointer' in ffi && 'register' in ffi
}
