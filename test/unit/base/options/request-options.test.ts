import { describe, expect, it } from 'vitest'
import type { Protocol } from '../../../../src/base/http/protocol.ts'
import { checkRequestRetry, onlyLaneOf } from '../../../../src/base/options/request-options.ts'

const ALL: readonly Protocol[] = ['h3', 'h2', 'http/1.1']

describe('onlyLaneOf', () => {
  it.each<[readonly Protocol[], readonly Protocol[], string | undefined]>([
    [ALL, ALL, undefined],
    [['h2', 'http/1.1'], ALL, 'tcp'],
    [['h2'], ['h3', 'h2'], 'tcp'],
    [['http/1.1'], ALL, 'http/1.1'],
    [['http/1.1'], ['h2', 'http/1.1'], 'http/1.1'],
    [['h3'], ALL, 'h3'],
    [['h3', 'h2'], ['h2'], undefined],
  ])('%j of %j is %s', (wanted, allowed, lane) => {
    expect(onlyLaneOf(wanted, allowed)).toEqual({ lane })
  })

  it.each<[readonly Protocol[], readonly Protocol[], string]>([
    [['h3'], ['http/1.1'], 'may be spoken to in http/1.1 only'],
    [['h2'], ALL, 'h2 alone cannot be held to'],
    [['h3', 'http/1.1'], ALL, 'beside h3'],
  ])('refuses %j of %j', (wanted, allowed, fault) => {
    expect(onlyLaneOf(wanted, allowed)).toContain(fault)
  })
})

it('checks what a request has of retry', () => {
  expect(() =>
    checkRequestRetry({ maxRetries: 0, statuses: [503], perTryTimeoutMs: undefined }),
  ).not.toThrow()
  expect(() => checkRequestRetry({ maxRetries: -1 })).toThrow('retry.maxRetries')
  expect(() => checkRequestRetry({ statuses: [404] })).toThrow('retry.statuses')
})
