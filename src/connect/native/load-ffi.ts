import { packageRequire } from '../../base/package-require.ts'

/**
 * As much of koffi as we use. Its pointers are numbers that nobody checks: see the rooms that call through
 * it.
 */
export interface Ffi {
  /**
   * `null`: what is mapped into the process already, libc among it, and in the binaries of nodejs.org
   * OpenSSL.
   */
  load(path: null): FfiLibrary
  /** Of the last call. */
  errno(): number
  /** Where the bytes lie: they stay there as long as somebody holds them. */
  readonly address?: (memory: Uint8Array) => bigint
  /**
   * Undocumented; hence the exact version in package.json. A handle that nobody holds is collected, and falls
   * silent. What it calls has no callback scope: promises that are resolved in there stay where they are
   * (seen with Node 26), and what it throws ends the process.
   */
  readonly node?: { readonly poll?: (fd: number, events: PollEvents, onEvent: PollListener) => PollHandle }
}

interface PollEvents {
  readonly readable: boolean
  readonly writable: boolean
}

/** `status` below 0: an error of the descriptor has stopped it. */
type PollListener = (status: number) => void

/** None of these may be called behind close(): they would follow a null pointer. */
export interface PollHandle {
  /** Also to change what is waited for, and to go on after an error. */
  start(events: PollEvents, onEvent: PollListener): void
  ref(): void
  unref(): void
  close(): void
}

interface FfiLibrary {
  /** Throws when there is no such symbol. */
  func(prototype: string): FfiFunction
}

/** What a function takes and gives is fixed by its prototype. */
export type FfiFunction = (...args: unknown[]) => unknown

/** `unavailable` is for people: `explain` prints it. */
export type LoadedFfi = { readonly ffi: Ffi } | { readonly unavailable: string }

const MAX_REASON_LENGTH = 200

let loaded: LoadedFfi | undefined

/**
 * The bridge to native functions, or why there is none. Loaded with the first call, which takes some 14 ms;
 * never throws.
 */
export function loadFfi(): LoadedFfi {
  loaded ??= load(packageRequire(), process.platform)
  return loaded
}

/** For tests, which hand in another `require` and another system. */
export function load(require: (id: string) => unknown, platform: string): LoadedFfi {
  // What is called through it (socket options by number, symbols of the node binary) was looked up for Linux
  // only.
  if (platform !== 'linux') return { unavailable: `native calls are made on Linux only, not on ${platform}` }
  try {
    const ffi = require('koffi')
    return isFfi(ffi) ? { ffi } : { unavailable: 'koffi is not the version that this build was made for' }
  } catch (error) {
    if (isNotFound(error)) return { unavailable: 'koffi is not installed' }
    return { unavailable: `koffi cannot be loaded: ${textOf(error)}` }
  }
}

/** Version 3: in version 2 pointers are objects. */
function isFfi(value: unknown): value is Ffi {
  if (typeof value !== 'object' || value === null) return false
  if (!('load' in value && 'errno' in value && 'version' in value)) return false
  return typeof value.load === 'function' && String(value.version).startsWith('3.')
}

function isNotFound(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'MODULE_NOT_FOUND'
}

/** Messages of dlopen are long. */
function textOf(error: unknown): string {
  const [line = ''] = (error instanceof Error ? error.message : 'no reason was given').split('\n')
  return line.length > MAX_REASON_LENGTH ? `${line.slice(0, MAX_REASON_LENGTH)}…` : line
}
