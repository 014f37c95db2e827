import { describe, expect, it } from 'vitest'
import { TransportError } from '../../../../src/base/errors.ts'
import { SharedPing } from '../../../../src/http/multiplex/liveness.ts'

describe('SharedPing', () => {
  it('resolves for everybody with one answer, and for nobody with the next one', async () => {
    const ping = new SharedPing()
    const askers = [ping.join(undefined), ping.join(new AbortController().signal)]
    expect(ping.isPending).toBe(true)
    ping.onPong()
    await Promise.all(askers)
    expect(ping.isPending).toBe(false)
    ping.onPong()
  })

  it('goes on for others when one gives up', async () => {
    const ping = new SharedPing()
    const abort = new AbortController()
    const [leaver, stayer] = [ping.join(abort.signal), ping.join(undefined)]
    abort.abort()
    await expect(leaver).rejects.toMatchObject({ code: 'MM_ABORTED' })
    expect(ping.isPending).toBe(true)
    ping.onPong()
    await stayer
  })

  it('does not ask for a caller that has given up before', async () => {
    const ping = new SharedPing()
    await expect(ping.join(AbortSignal.abort())).rejects.toMatchObject({ code: 'MM_ABORTED' })
    expect(ping.isPending).toBe(false)
  })

  it('fails for everybody without an answer', async () => {
    const ping = new SharedPing()
    const asker = ping.join(undefined)
    ping.fail(new TransportError('MM_PING_FAILED', 'it ended'))
    await expect(asker).rejects.toMatchObject({ code: 'MM_PING_FAILED' })
  })
})
