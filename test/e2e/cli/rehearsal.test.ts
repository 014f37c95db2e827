import { describe, expect, it } from 'vitest'
import { type Rehearsal, rehearse } from '../../../src/cli/rehearsal.ts'

const REHEARSAL: Rehearsal = { kind: 'request', isSecure: true, defaults: {} }
/** However slow the machine is. */
const LIMIT_MS = 60_000

/** Sockets and servers of this process, by kind. */
const openHandles = (): readonly string[] =>
  process.getActiveResourcesInfo().filter(kind => /TCP|TLS|UDP/.test(kind))

describe('rehearse()', () => {
  it('makes requests over each protocol and as the command will, and leaves nothing open', async () => {
    const before = openHandles()
    const pinned: Rehearsal = { ...REHEARSAL, defaults: { protocols: ['http/1.1'] } }
    const first = await rehearse(pinned, LIMIT_MS)
    const second = await rehearse(REHEARSAL, LIMIT_MS)
    // One of its own for each that can be spoken, and three times what the command does.
    expect(second - first).toBeGreaterThanOrEqual(2 + 3)
    await expect.poll(openHandles, { timeout: 20_000 }).toEqual(before)
  })

  it('ends what is late', async () => {
    const before = openHandles()
    await rehearse(REHEARSAL, 1)
    await expect.poll(openHandles, { timeout: 20_000 }).toEqual(before)
  })
})
