import { describe, expect, it } from 'vitest'
import { TransportError } from '../../../src/base/errors.ts'
import type { Connection } from '../../../src/base/events/connection.ts'
import type { ExchangeController } from '../../../src/base/http/exchange.ts'
import {
  controllerOf,
  currentTry,
  type ExchangeState,
  isCommitted,
  Try,
  transition,
} from '../../../src/exchange/exchange-state.ts'

const tried = new Try({} as Connection, false, 1) // nobody looks into it
const error = new TransportError('MM_ABORTED', 'given up')
tried.controller = {} as ExchangeController // nor into this one

const STATES: readonly ExchangeState[] = [
  { kind: 'starting', since: 0, tried: undefined },
  { kind: 'waiting', since: 0, tried },
  { kind: 'sent', tried },
  { kind: 'dismissed', tried, reason: 'too-early', error },
  { kind: 'answering', tried },
  { kind: 'aborted', tried, error },
  { kind: 'done', tried, wasOut: true },
]

const kindsWhere = (rule: (state: ExchangeState) => boolean): string[] =>
  STATES.filter(rule).map(({ kind }) => kind)

describe('an exchange', () => {
  it.each([
    ['starting', ['waiting', 'sent', 'done']],
    ['waiting', ['sent', 'done']],
    ['sent', ['waiting', 'sent', 'dismissed', 'answering', 'aborted', 'done']],
    ['dismissed', ['waiting', 'sent', 'aborted', 'done']],
    ['answering', ['aborted', 'done']],
    ['aborted', ['done']],
    ['done', []],
  ])('that is %s may become %j, and nothing else', (from, expected) => {
    const state = STATES.find(({ kind }) => kind === from)!
    const allowed = kindsWhere(next => {
      try {
        return transition(state, next) === next
      } catch (fault) {
        expect((fault as TransportError).code).toBe('MM_INTERNAL')
        return false
      }
    })
    expect(allowed).toEqual(expected)
  })

  it('has a connection of its own from the lease to the end', () => {
    expect(kindsWhere(state => currentTry(state) === tried)).toEqual([
      'sent',
      'dismissed',
      'answering',
      'aborted',
    ])
  })

  it('is not sent again once the caller saw an answer or gave up', () => {
    expect(kindsWhere(isCommitted)).toEqual(['answering', 'aborted', 'done'])
  })

  it('has no controller while it waits, nor after an end that came while it waited', () => {
    expect(kindsWhere(state => controllerOf(state) === undefined)).toEqual(['starting', 'waiting'])
    expect(controllerOf({ kind: 'done', tried, wasOut: false })).toBeUndefined()
  })
})
