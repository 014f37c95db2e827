import { describe, expect, it } from 'vitest'
import { TransportError } from '../../../src/base/errors.ts'
import { outcomeOfError, outcomeOfStatus } from '../../../src/health/try-outcome.ts'

describe('the outcome of a try for its endpoint', () => {
  it.each([
    [200, 'success'],
    [404, 'success'],
    [429, 'success'],
    [500, 'server-error'],
    [502, 'gateway-error'],
    [503, 'gateway-error'],
    [504, 'gateway-error'],
    [505, 'server-error'],
  ] as const)('counts %i as a %s', (status, outcome) => {
    expect(outcomeOfStatus(status)).toBe(outcome)
  })

  it('counts an ended connection, a refused stream and a time-out as unreachable', () => {
    for (const code of ['MM_CONNECTION_RESET', 'MM_REFUSED', 'MM_TRY_TIMEOUT'] as const)
      expect(outcomeOfError(new TransportError(code, 'no answer'), false)).toBe('unreachable')
  })

  it('counts nothing that the caller did, nor what an announced end left over', () => {
    expect(outcomeOfError(new TransportError('MM_ABORTED', 'gave up'), false)).toBeUndefined()
    expect(
      outcomeOfError(new TransportError('MM_REFUSED', 'GOAWAY', { processed: 'no' }), true),
    ).toBeUndefined()
  })
})
