import type { HandshakeFigures, HandshakesAvoided } from '../../src/origin/ledger/handshake-figures.ts'

const NO_AMOUNT = { roundTrips: 0, seconds: 0, bytes: undefined, cpuMs: undefined }

/** Figures of an origin that has seen no handshake, but for what is given. */
export function handshakeFigures(
  avoided: Partial<Record<keyof HandshakeFigures['avoided'], Partial<HandshakesAvoided>>> = {},
  over: Partial<Omit<HandshakeFigures, 'avoided'>> = {},
): HandshakeFigures & { connections: [] } {
  const of = (means: keyof HandshakeFigures['avoided']) => ({ count: 0, ...NO_AMOUNT, ...avoided[means] })
  return {
    paid: { byKind: { full: 0, resumed: 0, earlyData: 0, cleartext: 0 }, ...NO_AMOUNT },
    avoided: {
      reuse: of('reuse'),
      coalescing: of('coalescing'),
      resumption: of('resumption'),
      fastOpen: of('fastOpen'),
      earlyData: of('earlyData'),
    },
    lastDay: { savedSeconds: 0, windowSeconds: 0, perDay: 0 },
    connections: [],
    ...over,
  }
}
