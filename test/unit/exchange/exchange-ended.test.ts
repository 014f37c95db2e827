import { expect, it } from 'vitest'
import { TransportError } from '../../../src/base/errors.ts'
import { EarlierTries } from '../../../src/exchange/exchange-ended.ts'

it('an exchange that has ended keeps its first 16 tries', () => {
  const tries = new EarlierTries(1_000)
  const error = new TransportError('MM_REFUSED', 'no')
  for (let i = 0; i < 17; i++) tries.add('unprocessed', error, 'tcp', undefined, 1_000 + i)
  expect(tries.list.map(({ failedAtMs }) => failedAtMs)).toEqual(Array.from({ length: 16 }, (_, i) => i))
})
