import { describe, expect, it } from 'vitest'
import {
  AddressChanges,
  type DrainSituation,
  drainStep,
  MAX_PATIENCE,
  MIN_PATIENCE,
} from '../../../src/select/address-changes.ts'

const EVERY = 30_000

function setUp() {
  const changes = new AddressChanges({ intervalMs: EVERY })
  let now = 0
  /** Answers, one each interval, written as `ab`: the addresses a and b. */
  const answer = (...answers: string[]): void => {
    for (const text of answers) {
      now += EVERY
      changes.onAnswer(text.split(''), now)
    }
  }
  /** Answers at once after the last one. */
  const answerAgain = (text: string): void => changes.onAnswer(text.split(''), now + 1)
  return { changes, answer, answerAgain }
}

describe('AddressChanges', () => {
  it('considers an address gone after three equal answers in a row without it', () => {
    const { changes, answer } = setUp()
    answer('ab', 'b', 'b')
    expect([changes.hasLeft('a'), changes.hasLeft('b')]).toEqual([false, false])
    answer('b')
    expect([changes.hasLeft('a'), changes.hasLeft('b')]).toEqual([true, false])
  })

  it('considers it back as soon as one answer has it', () => {
    const { changes, answer, answerAgain } = setUp()
    answer('ab', 'b', 'b', 'b')
    answerAgain('a')
    expect(changes.hasLeft('a')).toBe(false)
    answer('b', 'b')
    expect(changes.hasLeft('a')).toBe(false)
  })

  it('counts the absence of an address that no answer ever had from when it is asked for', () => {
    const { changes, answer } = setUp()
    answer('b', 'b', 'b', 'b')
    expect(changes.hasLeft('a')).toBe(false)
    answer('b', 'b')
    expect(changes.hasLeft('a')).toBe(false)
    answer('b')
    expect(changes.hasLeft('a')).toBe(true)
  })

  it('considers no address gone while answers go on changing', () => {
    const { changes, answer } = setUp()
    answer('ab', 'cd', 'ef', 'gh', 'ij', 'kl', 'mn')
    for (const address of 'abcdefghijklmn') expect(changes.hasLeft(address)).toBe(false)
    answer('mn', 'mn')
    expect(changes.hasLeft('a')).toBe(true)
  })

  it('ignores the order of an answer', () => {
    const { changes, answer } = setUp()
    answer('abc', 'bc', 'cb', 'bc')
    expect(changes.hasLeft('a')).toBe(true)
  })

  it('waits for more than twice as long as any address was away before it came back', () => {
    const { changes, answer } = setUp()
    answer('a', 'b', 'b', 'b', 'b', 'a')
    expect(changes.patience).toBe(9)
    answer('a', 'a', 'a', 'a', 'a', 'a', 'a')
    expect(changes.hasLeft('b')).toBe(false)
    answer('a')
    expect(changes.hasLeft('b')).toBe(true)
  })

  it('waits for no longer than its bound', () => {
    const { changes, answer } = setUp()
    answer('a', ...Array.from({ length: 100 }, () => 'b'), 'a')
    expect(changes.patience).toBe(MAX_PATIENCE)
  })

  it('counts answers that come too soon as one, but keeps their addresses', () => {
    const { changes, answer, answerAgain } = setUp()
    answer('ab', 'b')
    for (let i = 0; i < 10; i++) answerAgain('b')
    expect(changes.hasLeft('a')).toBe(false)
    answer('b')
    answerAgain('ab')
    answer('b')
    expect(changes.hasLeft('a')).toBe(false)
    expect(changes.patience, 'it was away for two answers').toBe(5)
  })

  it('begins anew when another answer came between, even one that does not count', () => {
    const { changes, answer, answerAgain } = setUp()
    answer('ab', 'b', 'b')
    answerAgain('bc')
    answer('b')
    expect(changes.hasLeft('a')).toBe(false)
    answer('b', 'b')
    expect(changes.hasLeft('a')).toBe(true)
  })

  it('treats an empty answer as no answer', () => {
    const { changes, answer } = setUp()
    answer('a', '', '', '', '')
    expect(changes.hasLeft('a')).toBe(false)
  })

  it('forgets everything when the network has changed', () => {
    const { changes, answer } = setUp()
    answer('a', 'b', 'b', 'b', 'b', 'a', 'a')
    changes.reset()
    expect(changes.patience).toBe(MIN_PATIENCE)
    answer('b', 'b', 'b')
    expect(changes.hasLeft('a')).toBe(false)
    answer('b', 'b', 'b')
    expect(changes.hasLeft('a')).toBe(true)
  })

  it('forgets the address that is longest absent of more than 256, which then counts anew', () => {
    const changes = new AddressChanges({ intervalMs: 1 })
    const many = Array.from({ length: 256 }, (_, i) => `address ${i}`)
    changes.onAnswer(['first'], 1)
    for (let now = 2; now < 5; now++) changes.onAnswer(many, now)
    expect(changes.hasLeft('first')).toBe(false)
  })
})

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
