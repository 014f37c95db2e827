import { loadFfi } from './load-ffi.ts'

let loaded: (() => void) | undefined | null = null

/**
 * malloc_trim(3) of glibc: free pages go back to the kernel, from within the heap as well as from its end.
 * The thread stands still meanwhile, about 0.2 ms for each MiB. Undefined where native calls cannot be made,
 * and with another libc. Never throws.
 */
export function mallocTrim(): (() => void) | undefined {
  if (loaded === null) loaded = bind()
  return loaded
}

function bind(): (() => void) | undefined {
  const found = loadFfi()
  if ('unavailable' in found) return undefined
  try {
    const trim = found.ffi.load(null).func('int malloc_trim(size_t pad)')
    return () => void trim(0)
  } catch {
    return undefined // musl has no such symbol
  }
}
