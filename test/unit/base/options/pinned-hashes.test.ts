import { describe, expect, it } from 'vitest'
import { checkPinned, pinnedHashes } from '../../../../src/base/options/pinned-hashes.ts'

const HASH = 'ab'.repeat(32)

describe('tls.certificateHashes', () => {
  it('are read with and without colons, in either case', () => {
    const withColons = HASH.toUpperCase().replaceAll(/(..)(?=.)/g, '$1:')
    expect(pinnedHashes([HASH, withColons])).toEqual([HASH, HASH])
  })

  it.each([[['']], [[HASH.slice(1)]], [[`${HASH}0`]], [[`g${HASH.slice(1)}`]], [[]]])(
    'are refused where they are none: %j',
    hashes => {
      expect(() => pinnedHashes(hashes)).toThrow(expect.objectContaining({ code: 'MM_INVALID_ARGUMENT' }))
    },
  )

  it('are refused where TCP may be used, which does not look at them', () => {
    expect(() => checkPinned({ certificateHashes: [HASH] }, ['h3'])).not.toThrow()
    expect(() => checkPinned({ certificateHashes: [HASH] }, ['h3', 'h2'])).toThrow('h3 alone')
    expect(() => checkPinned({}, ['h2'])).not.toThrow()
  })
})
