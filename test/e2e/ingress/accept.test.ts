import { afterEach, describe, expect, it } from 'vitest'
import type { AcceptRoom } from '../../../src/ingress/accept-gate.ts'
import type { IngressEvent } from '../../../src/ingress/ingress-event.ts'
import { type IngressListener, listen } from '../../../src/ingress/listener.ts'
import { type RawClient, rawClient } from '../../support/raw-client.ts'
import { requireNative } from '../../support/require-native.ts'

const noNative = requireNative()

const ROOM: AcceptRoom = { maxConnections: 2, maxDescriptors: 1_000_000 }
const REQUEST = 'GET / HTTP/1.1\r\nHost: a.test\r\n\r\n'

let listener: IngressListener | undefined
const clients: RawClient[] = []
afterEach(async () => {
  for (const client of clients.splice(0)) client.socket.destroy()
  await listener?.close()
})

async function setUp() {
  const events: IngressEvent['type'][] = []
  let isHeld = true
  const held: (() => void)[] = []
  const answer = (send: () => void): void => void (isHeld ? held.push(send) : send())
  const opened = await listen({
    address: { host: '127.0.0.1', port: 0 },
    room: ROOM,
    observer: ({ type }) => void events.push(type),
    handler: exchange => {
      exchange.events = { onDrain: () => {}, onAborted: () => {} }
      answer(() => {
        exchange.respondStart(200, ['content-length', '2'])
        exchange.respondData(Buffer.from('ok'), chunk => chunk)
        exchange.respondEnd([])
      })
    },
  })
  listener = opened
  const client = (): RawClient => {
    const made = rawClient(opened.port)
    clients.push(made)
    made.send(REQUEST)
    return made
  }
  const release = (): void => {
    isHeld = false
    for (const send of held.splice(0)) send()
  }
  return { listener: opened, events, client, held, release }
}

describe.skipIf(noNative !== undefined)('a listener without room', () => {
  it('lets one more client wait, and serves it when another one has ended', async () => {
    const { listener, events, client, held, release } = await setUp()
    const [first, second, third] = [client(), client(), client()]
    await expect.poll(() => held.length).toBe(2)
    await expect.poll(() => third.socket.readyState).toBe('open')
    expect(listener.stats).toMatchObject({
      connections: { open: 2, accepted: 2, refused: 0 },
      accepting: { isPaused: true, pauses: 1 },
    })
    release()
    // Those that were there longest end after their answer, since somebody waits.
    for (const waiting of [first, second, third])
      expect(await waiting.until(/ok$/)).toMatch(/^HTTP\/1\.1 200/)
    expect(events.slice(0, 2)).toEqual(['accept-paused', 'accept-resumed'])
    expect(listener.stats.connections).toMatchObject({ accepted: 3, refused: 0 })
  })

  it('drains to its end while it is paused, and frees its port', async () => {
    const { listener, client, held, release } = await setUp()
    const [first, second] = [client(), client()]
    await expect.poll(() => held.length).toBe(2)
    const third = client()
    await expect.poll(() => third.socket.readyState).toBe('open')
    const drained = listener.drain()
    await third.untilClosed()
    release()
    for (const served of [first, second]) expect(await served.untilClosed()).toMatch(/ok$/)
    await drained
    expect(listener.stats.accepting).toEqual({ isPaused: false, pauses: 1, limitedTurns: 0 })
    const again = await listen({ address: { host: '127.0.0.1', port: listener.port }, handler: () => {} })
    await again.close()
  })

  it('closes at once while it is paused', async () => {
    const { listener, client, held } = await setUp()
    const [first] = [client(), client()]
    await expect.poll(() => held.length).toBe(2)
    await listener.close()
    await first?.untilClosed()
  })
})
