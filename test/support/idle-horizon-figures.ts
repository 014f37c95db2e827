import type { IdleHorizonFigures } from '../../src/pool/rules/idle-horizon.ts'

/** Nothing was learned. */
export const NO_HORIZON: IdleHorizonFigures = {
  keptMs: undefined,
  confidence: 0,
  closes: 0,
  idleEnds: 0,
  retired: 0,
  racesAvoided: 0,
  racesLost: 0,
}
