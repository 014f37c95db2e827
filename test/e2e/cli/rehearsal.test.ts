import { describe, expect, it } from 'vitest'
import { rehearse } from '../../../src/cli/rehearsal.ts'

/** Sockets and servers of this process, by kind. */
const openHandles = (): readonly string[] =>
  process.getActiveResourcesInfo().filter(kind => /TCP|TLS|UDP/.test(kind))

describe('rehearse()', () => {
  it('makes requests over each protocol and as the command will, and leaves nothing open', async () => {
    const before = openHandles()
    const first = await rehearse({ kind: 'request', isSecure: true, defaults: { protocols: ['http/1.1'] } })
    const second = await rehearse({ kind: 'request', isSecure: true, defaults: {} })
    // One of its own for each that can be spoken, and three times what the command does.
    expect(second - first).toBeGreaterThanOrEqual(2 + 3)
    expect(openHandles()).toEqual(before)
  })
})
