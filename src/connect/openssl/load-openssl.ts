import { type LoadedFfi, loadFfi } from '../native/load-ffi.ts'
import { type OpenSsl, PROTOTYPES } from './openssl.ts'

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
  const openssl = functions as unknown as OpenSsl // as: PROTOTYPES has every function of it, with the types that it has in C
  // OPENSSL_VERSION_NUMBER: 0xMNN00PP0. Another library in the process could have been found instead, which
  // would not read Node's sessions. Patches may differ: a shared library is renewed without Node.
  if (openssl.OpenSSL_version_num() >>> 20 !== ((major << 8) | minor))
    return { unavailable: `the OpenSSL that was found is not ${version}, which Node uses` }
  return { openssl }
}
