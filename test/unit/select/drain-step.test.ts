import { describe, expect, it } from 'vitest'
import { type DrainSituation, drainStep } from '../../../src/select/drain-step.ts'

const SITUATION: DrainSituation = {
  open: 10,
  leaving: 4,
  serving: 10,
  waiters: 0,
  hasRoom: true,
  isInUse: true,
  cannotReplace: false,
}
const step = (changes: Partial<DrainSituation>) => drainStep({ ...SITUATION, ...changes })
const drain = (connections: number) => ({ kind: 'drain', connections })
const ALL_LEAVE = { open: 4, leaving: 4, serving: 4 }

describe('drainStep', () => {
  it.each([
    ['nothing, where nothing has left', { leaving: 0 }, { kind: 'wait' }],
    ['one of a few', {}, drain(1)],
    ['a tenth of many', { open: 64, leaving: 30, serving: 64 }, drain(6)],
    ['no more than there are', { open: 640, leaving: 3, serving: 640 }, drain(3)],
    [
      'one of an idle pool, though it is the last',
      { open: 1, leaving: 1, serving: 1, isInUse: false },
      drain(1),
    ],
    ['none before there is another one', ALL_LEAVE, { kind: 'replace' }],
    ['none when no other one can be made', { ...ALL_LEAVE, cannotReplace: true }, { kind: 'wait' }],
    ['one where there is no room for another', { ...ALL_LEAVE, hasRoom: false }, drain(1)],
    ['the last one only when nobody waits', { open: 1, leaving: 1, serving: 1, hasRoom: false }, drain(1)],
    [
      'not the last one while somebody waits',
      { open: 1, leaving: 1, serving: 1, hasRoom: false, waiters: 1 },
      { kind: 'wait' },
    ],
  ])('drains %s', (_, changes, expected) => {
    expect(step(changes)).toEqual(expected)
  })
})
