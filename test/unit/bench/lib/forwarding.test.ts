import { expect, it } from 'vitest'
import { forwardedRequests } from '../../../../bench/lib/forwarding.ts'

it('forwarded requests are counted without errors: small bodies one by one, large ones by their bytes', () => {
  expect(forwardedRequests({ requests: 100, badStatus: 30, bytesRead: 72_000 }, 1_024)).toBe(70)
  expect(forwardedRequests({ requests: 9, badStatus: 1, bytesRead: 20_000_500 }, 2_000_000)).toBeCloseTo(
    10,
    3,
  )
})
