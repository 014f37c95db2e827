import { describe, expect, it } from 'vitest'
import { TransportError } from '../../../src/base/errors.ts'
import { outcomeOfError, outcomeOfStatus } from '../../../src/health/try-outcome.ts'

describe('what a try says of its endpoint', () => {
  it.each([
    [200, 'success'],
    [404, 'success'],
    [429, 'success'],
    [500, 'server-error'],
    [502, 'gateway-error'],
    [503, 'gateway-error'],
    [504, 'gateway-error'],
    [505, 'server-error'],
  ] as const)('takes %i for a %s', (status, outcome) => {
    expect(outcomeOfStatus(status)).toBe(outcome)
  })

  it('takes a failed connect and an ended connection for unreachable', () => {
    expect(outcomeOfError(new TransportError('MM_CONNECT_REFUSED', 'refused'))).toBe('unreachable')
    expect(outcomeOfError(new TransportError('MM_CONNECTION_RESET', 'reset'))).toBe('unreachable')
  })

  it('takes nothing from what the caller did, nor from an orderly refusal', () => {
    expect(outcomeOfError(new TransportError('MM_ABORTED', 'gave up'))).toBeUndefined()
    expect(outcomeOfError(new TransportError('MM_REFUSED', 'GOAWAY', { processed: 'no' }))).toBeUndefined()
  })
})
