import { expect, it } from 'vitest'
import { nextPhase, PHASE_TRANSITIONS } from '../../../../src/quic/migration/migration-phase.ts'

const local = { host: '127.0.0.1', port: 1 }

it('the phase of a migration has no way out of its end, and throws at an illegal transition', () => {
  expect(PHASE_TRANSITIONS.ended).toEqual([])
  expect(() => nextPhase('ended', { name: 'settled', local })).toThrow('from ended to settled')
  expect(() => nextPhase('stuck', { name: 'settled', local })).toThrow('from stuck to settled')
  expect(nextPhase('opening', { name: 'settled', local })).toEqual({ name: 'settled', local })
})
