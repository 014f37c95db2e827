import { describe, expect, it } from 'vitest'
import { AnswerWatch, type AwaitedAnswer } from '../../../../src/origin/lanes/answer-watch.ts'
import { FakeClock } from '../../../../src/testing/fake-clock.ts'
import { collectFaults, DEFECT, fail } from '../../../support/collected-faults.ts'

function setUp() {
  const clock = new FakeClock()
  const watch = new AnswerWatch(clock)
  const overdue: string[] = []
  const add = (name: string, afterMs: number) => {
    const answer = {
      isAwaited: true as boolean,
      onOverdue: () => {
        answer.isAwaited = false
        overdue.push(`${name} ${clock.now()}`)
      },
    } satisfies AwaitedAnswer
    watch.add(answer, clock.now() + afterMs)
    return answer
  }
  return { clock, watch, overdue, add, startedAt: clock.now() }
}

describe('the watch over answers', () => {
  it('calls a request that has waited for too long, and no other', () => {
    const { clock, overdue, add, startedAt } = setUp()
    add('a', 100)
    clock.advance(30)
    const answered = add('b', 100)
    add('c', 100)
    clock.advance(60)
    answered.isAwaited = false
    clock.advance(10)
    expect(overdue).toEqual([`a ${startedAt + 100}`])
    clock.advance(100)
    expect(overdue).toEqual([`a ${startedAt + 100}`, `c ${startedAt + 130}`])
  })

  it('holds no request that was answered, however many come', () => {
    const { clock, watch, overdue, add } = setUp()
    for (let index = 0; index < 10_000; index += 1) {
      const answer = add(String(index), 250)
      clock.advance(1)
      answer.isAwaited = false
    }
    expect(watch.size).toBeLessThan(3)
    expect(overdue).toEqual([])
  })

  it('starts again after it was empty', () => {
    const { clock, overdue, add, startedAt } = setUp()
    add('a', 50)
    clock.advance(200)
    add('b', 50)
    clock.advance(200)
    expect(overdue).toEqual([`a ${startedAt + 50}`, `b ${startedAt + 250}`])
  })

  it('calls no request after it was closed', () => {
    const { clock, watch, overdue, add } = setUp()
    add('a', 50)
    watch.close()
    clock.advance(100)
    expect([overdue, clock.pendingTimers()]).toEqual([[], 0])
  })
})

it('a second copy that throws makes none behind it wait', () => {
  const heard = collectFaults()
  const { clock, watch, overdue, add } = setUp()
  watch.add({ isAwaited: true, onOverdue: fail }, clock.now() + 100)
  add('a', 100)
  add('b', 200)
  clock.advance(300)
  expect(heard()).toEqual([`a second copy: ${String(DEFECT)}`])
  expect(overdue.map(line => line.charAt(0))).toEqual(['a', 'b'])
})
