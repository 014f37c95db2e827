import { describe, expect, it } from 'vitest'
import { TransportError } from '../../../../src/base/errors.ts'
import { SharedPing } from '../../../../src/http/multiplex/liveness.ts'

describe('SharedPing', () => {
  it('one answer is everybody’s, and the next one nobody’s', async () => {
    const ping = new SharedPing()
    const askers = [ping.join(undefined), ping.join(new AbortController().signal)]
    expect(ping.isPending).toBe(true)
    ping.onPong()
    await Promise.all(askers)
    expect(ping.isPending).toBe(false)
    ping.onPong()
  })

  it('who gives up does not hurt the others', async () => {
    const ping = new SharedPing()
    const abort = new AbortController()
    const [leaver, stayer] = [ping.join(abort.signal), ping.join(undefined)]
    abort.abort()
    await expect(leaver).rejects.toMatchObject({ code: 'MM_ABORTED' })
    expect(ping.isPending).toBe(true)
    ping.onPong()
    await stayer
  })

  it('who has given up before does not ask', async () => {
    const ping = new SharedPing()
    await expect(ping.join(AbortSignal.abort())).rejects.toMatchObject({ code: 'MM_ABORTED' })
    expect(ping.isPending).toBe(false)
  })

  it('no answer is an error of all', async () => {
    const ping = new SharedPing()
    const asker = ping.join(undefined)
    ping.fail(new TransportError('MM_PING_FAILED', 'it ended'))
    await expect(asker).rejects.toMatchObject({ code: 'MM_PING_FAILED' })
  })
})
