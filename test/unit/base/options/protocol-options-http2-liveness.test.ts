import { describe, expect, it } from 'vitest'
import { DEFAULT_LIVENESS_OPTIONS } from '../../../../src/base/options/protocol-options.ts'
import { FLAG, ping, TYPE } from '../../../support/http2-wire.ts'
import { answerOk } from '../../ingress/fake-client.ts'
import { FakeHttp2Client } from '../../ingress/fake-http2-client.ts'

const { intervalMs, timeoutMs } = DEFAULT_LIVENESS_OPTIONS

/** PINGs that asked so far. */
async function asks(client: FakeHttp2Client): Promise<readonly string[]> {
  return (await client.frames())
    .filter(({ type, flags }) => type === TYPE.PING && (flags & FLAG.ACK) === 0)
    .map(({ payload }) => payload.toString('latin1'))
}

describe('an HTTP/2 client that falls silent', () => {
  it('is asked by PING while a request is under way, and given up as soon as a silent origin is', async () => {
    const client = new FakeHttp2Client()
    client.send(client.ask(1))
    client.clock.advance(intervalMs - 1)
    expect(await asks(client)).toHaveLength(0)
    client.clock.advance(1)
    expect(await asks(client)).toHaveLength(1)
    client.clock.advance(timeoutMs - 1)
    expect(client.aborted).toEqual([])
    client.clock.advance(1)
    expect(client.aborted).toEqual([expect.stringMatching(/^MM_CLIENT_GONE .*liveness probe/)])
    expect([client.socket.destroyed, client.clock.pendingTimers()]).toEqual([true, 0])
  })

  it('is asked again and again, and stays connected as long as it answers', async () => {
    const client = new FakeHttp2Client()
    client.send(client.ask(1))
    for (let asked = 1; asked <= 100; asked += 1) {
      client.clock.advance(intervalMs)
      const all = await asks(client)
      expect(all).toHaveLength(asked)
      client.send(ping(all.at(-1), FLAG.ACK))
    }
    client.clock.advance(intervalMs)
    await client.frames()
    client.clock.advance(timeoutMs)
    expect(client.aborted).toHaveLength(1)
  })

  it('is not asked while it sends', async () => {
    const client = new FakeHttp2Client()
    client.send(client.ask(1))
    for (let second = 0; second < 60; second += 1) {
      client.clock.advance(1_000)
      client.send(ping('of his own'.slice(0, 8)))
    }
    expect([await asks(client), client.aborted]).toEqual([[], []])
  })

  it('is left to keepAliveTimeoutMs without a request, before the first one and after the last', async () => {
    const client = new FakeHttp2Client({ keepAliveTimeoutMs: 70_000 })
    client.clock.advance(60_000)
    client.send(client.ask(1))
    answerOk(client.exchange)
    await client.frames()
    client.clock.advance(60_000)
    expect([await asks(client), client.socket.destroyed]).toEqual([[], false])
  })

  it('is left to writeTimeoutMs while it takes nothing of a response', async () => {
    const client = new FakeHttp2Client({ writeTimeoutMs: 60_000 })
    client.socket.isStalled = true
    client.send(client.ask(1))
    await client.frames()
    client.clock.advance(59_000)
    expect(client.aborted).toEqual([])
    client.clock.advance(1_000)
    expect(client.aborted).toEqual([expect.stringContaining('took nothing of the response')])
  })

  it('is never asked where liveness is off', async () => {
    const client = new FakeHttp2Client({ liveness: { intervalMs: 0 } })
    client.send(client.ask(1))
    client.clock.advance(10_000_000)
    expect([await asks(client), client.aborted]).toEqual([[], []])
  })
})
