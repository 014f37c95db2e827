import { describe, expect, it } from 'vitest'
import type { HandshakeInfo } from '../../../../src/base/events/connection.ts'
import { DialTurns } from '../../../../src/origin/connecting/dial-turns.ts'
import { FakeClock } from '../../../../src/testing/fake-clock.ts'

const HANDSHAKE = { kind: 'full', cpuMs: 1 } as HandshakeInfo // what the turns look at
const never = new AbortController().signal

/** Dials that take 5 ms of the loop each to begin. */
function setUp(share: number) {
  const clock = new FakeClock()
  const turns = new DialTurns(clock, share)
  turns.onRequest('neighbor', clock.now())
  const begun: string[] = []
  const dial = (name: string, signal = never) =>
    turns.run(name.charAt(0), signal, async () => {
      begun.push(name)
      clock.advance(5)
      return { name, handshake: HANDSHAKE }
    })
  return { turns, begun, dial }
}

describe('dials in turns', () => {
  it('begins the first ones within the call, and the others turn by turn of the loop', async () => {
    const { turns, begun, dial } = setUp(0.5)
    const dialed = Promise.all(['a1', 'a2', 'a3', 'b1'].map(name => dial(name)))
    expect(begun).toEqual(['a1'])
    expect(turns.deferred).toBe(3)
    expect((await dialed).map(({ name }) => name)).toEqual(['a1', 'a2', 'a3', 'b1'])
    expect(begun).toEqual(['a1', 'a2', 'b1', 'a3'])
  })

  it('begins all at once where the share is 0', async () => {
    const { turns, begun, dial } = setUp(0)
    const dialed = Promise.all(['a1', 'a2', 'a3', 'b1'].map(name => dial(name)))
    expect(begun).toEqual(['a1', 'a2', 'a3', 'b1'])
    expect(turns.deferred).toBe(0)
    await dialed
  })

  it('lets those that wait go at once when a new configuration has no share', async () => {
    const { turns, begun, dial } = setUp(0.5)
    const dialed = Promise.all(['a1', 'a2', 'a3'].map(name => dial(name)))
    turns.share = 0
    await new Promise(setImmediate)
    expect(begun).toEqual(['a1', 'a2', 'a3'])
    await dialed
  })

  it('forgets a dial that was given up while it waited', async () => {
    const { begun, dial } = setUp(0.5)
    const givenUp = new AbortController()
    const first = dial('a1')
    const second = dial('a2', givenUp.signal)
    const third = dial('a3')
    givenUp.abort()
    await expect(second).rejects.toMatchObject({ code: 'MM_ABORTED' })
    await expect(dial('a4', givenUp.signal)).rejects.toMatchObject({ code: 'MM_ABORTED' })
    await Promise.all([first, third])
    expect(begun).toEqual(['a1', 'a3'])
  })

  it('hands on the failure of a dial, and goes on', async () => {
    const { turns, dial } = setUp(0.5)
    await dial('a1')
    const failed = turns.run('a', never, () => Promise.reject(new Error('refused')))
    const next = dial('a2')
    await expect(failed).rejects.toThrow('refused')
    expect((await next).name).toBe('a2')
  })
})
