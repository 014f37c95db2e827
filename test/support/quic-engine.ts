import type { DrivenEngine } from '../../src/quic/driven-connection.ts'
import { quicEngine } from '../../src/quic/load-engine.ts'
import { requireQuic } from './require-quic.ts'

/** Why tests of QUIC are skipped; undefined: they are not. For `describe.skipIf`. */
export const noQuic: string | undefined = requireQuic()

/** The engine, in tests that are not skipped. */
export function theEngine(): DrivenEngine {
  const loaded = quicEngine()
  if ('unavailable' in loaded) throw new Error(loaded.unavailable)
  return loaded.engine
}
