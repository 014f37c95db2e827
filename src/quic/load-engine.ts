import type { DrivenEngine } from './driven-connection.ts'
import { loadBinding } from './quiche/binding.ts'
import { QuicheEngine } from './quiche/quiche-engine.ts'

/** `unavailable` is for people: `explain` prints it. */
export type LoadedEngine = { readonly engine: DrivenEngine } | { readonly unavailable: string }

let loaded: LoadedEngine | undefined

/**
 * The QUIC engine of this machine, or why there is none. Loaded with the first call, which takes some
 * milliseconds; never throws.
 */
export function quicEngine(): LoadedEngine {
  loaded ??= load()
  return loaded
}

function load(): LoadedEngine {
  const found = loadBinding()
  if ('unavailable' in found) return found
  return { engine: new QuicheEngine(found.binding, found.version) }
}
