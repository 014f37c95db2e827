import { quicEngine } from '../../src/quic/load-engine.ts'

/** Undefined where HTTP/3 can be spoken, else the reason to skip. */
export function requireQuic(): string | undefined {
  const loaded = quicEngine()
  return 'engine' in loaded ? undefined : `skipped: install @matrixai/quic (${loaded.unavailable})`
}
