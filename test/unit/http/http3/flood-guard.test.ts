import { describe, expect, it } from 'vitest'
import { DEFAULT_HTTP3_OPTIONS } from '../../../../src/base/options/protocol-options.ts'
import { FloodGuard } from '../../../../src/http/http3/flood-guard.ts'

describe('FloodGuard', () => {
  it('counts each kind for itself, and names the limit', () => {
    const guard = new FloodGuard({
      ...DEFAULT_HTTP3_OPTIONS,
      maxResetsPerSecond: 1,
      maxEmptyFramesPerSecond: 0,
    })
    for (let i = 0; i < 10; i++) guard.count('maxResetsPerSecond', 0)
    for (let i = 0; i < 1000; i++) guard.count('maxEmptyFramesPerSecond', 0)
    guard.count('maxIgnoredFramesPerSecond', 0)
    expect(() => guard.count('maxResetsPerSecond', 0)).toThrow(
      expect.objectContaining({ code: 'H3_EXCESSIVE_LOAD', limit: 'maxResetsPerSecond' }),
    )
    guard.count('maxResetsPerSecond', 1001)
  })
})
