import { connect, type Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import { afterEach, describe, expect, it } from 'vitest'
import type { IngressEvent } from '../../../src/ingress/ingress-event.ts'
import { type IngressListener, type ListenOptions, listen } from '../../../src/ingress/listener.ts'
import { createCertificateAuthority } from '../../../src/testing/certificates.ts'
import { requireNative } from '../../support/require-native.ts'

const noNative = requireNative()

const WAITING = 60
const TURN_MS = 10
const REQUEST = 'GET / HTTP/1.1\r\nHost: a.test\r\n\r\n'

let listener: IngressListener | undefined
const sockets: Socket[] = []
afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy()
  await listener?.close()
  listener = undefined
})

async function setUp(options: Partial<ListenOptions> = {}) {
  const events: IngressEvent[] = []
  const opened = await listen({
    address: { host: '127.0.0.1', port: 0 },
    observer: event => void events.push(event),
    handler: exchange => {
      exchange.events = { onDrain: () => {}, onAborted: () => {} }
      exchange.respondStart(200, ['content-length', '2'])
      exchange.respondData(Buffer.from('ok'), chunk => chunk)
      exchange.respondEnd([])
    },
    ...options,
  })
  listener = opened
  return { listener: opened, events }
}

/**
 * Connects so many clients at once. On loopback they are in the queue when the connect(2) of each has
 * returned.
 */
function connectAll(port: number, count: number): Socket[] {
  const made = Array.from({ length: count }, () => connect({ port, host: '127.0.0.1', noDelay: true }))
  for (const socket of made) socket.on('error', () => {}) // a reset is an end as well
  sockets.push(...made)
  return made
}

/**
 * Holds the event loop up in each of its turns until `isOver`, and answers how many connections were dealt
 * with in each turn that had some.
 */
async function busyTurns({ stats }: IngressListener, isOver: () => boolean): Promise<number[]> {
  const perTurn: number[] = []
  let before = 0
  while (!isOver()) {
    // Node runs immediates once in a turn.
    await new Promise(resolve => setImmediate(resolve))
    const until = performance.now() + TURN_MS
    while (performance.now() < until);
    const { accepted, refused } = stats.connections
    if (accepted + refused > before) perTurn.push(accepted + refused - before)
    before = accepted + refused
  }
  return perTurn
}

function answer(socket: Socket): Promise<string> {
  return new Promise(resolve => {
    let text = ''
    socket.setEncoding('latin1').on('data', (more: string) => {
      text += more
      if (text.endsWith('ok')) resolve(text)
    })
    socket.once('error', error => resolve(error.message))
    socket.once('close', () => resolve(text))
    socket.write(REQUEST)
  })
}

describe.skipIf(noNative !== undefined)('a listener whose event loop is held up', () => {
  it('accepts clients that wait in few turns, and serves all of them', async () => {
    const { listener } = await setUp()
    const clients = connectAll(listener.port, WAITING)
    const perTurn = await busyTurns(listener, () => listener.stats.connections.accepted === WAITING)
    expect(perTurn.length).toBeLessThanOrEqual(6)
    expect(Math.max(...perTurn)).toBe(16)
    expect(listener.stats.accepting.limitedTurns).toBe(perTurn.filter(count => count === 16).length)
    for (const text of await Promise.all(clients.map(answer))) expect(text).toMatch(/^HTTP\/1\.1 200 .*ok$/s)
    expect(listener.stats.connections).toMatchObject({ open: WAITING, accepted: WAITING, refused: 0 })
  })

  it('does so with TLS', async () => {
    const authority = await createCertificateAuthority()
    const { cert, key } = await authority.issue({ names: ['localhost'] })
    const { listener } = await setUp({ tls: { cert, key } })
    const clients = connectAll(listener.port, WAITING)
    const perTurn = await busyTurns(listener, () => listener.stats.connections.accepted === WAITING)
    expect(perTurn.length).toBeLessThanOrEqual(6)
    const secured = clients.map(socket =>
      connectTls({ socket, ca: authority.cert, servername: 'localhost', ALPNProtocols: ['http/1.1'] }),
    )
    for (const text of await Promise.all(secured.map(answer))) expect(text).toMatch(/^HTTP\/1\.1 200 .*ok$/s)
    expect(listener.stats.connections).toMatchObject({ accepted: WAITING, failedHandshakes: 0 })
  })

  it.each([0, 1])('leaves it to Node with a limit of %i', async maxAcceptsPerTurn => {
    const { listener } = await setUp({ limits: { maxAcceptsPerTurn } })
    const clients = connectAll(listener.port, 20)
    for (const text of await Promise.all(clients.map(answer))) expect(text).toMatch(/^HTTP\/1\.1 200 /)
    expect(listener.stats.accepting.limitedTurns).toBe(0)
  })

  it.each(['cleartext', 'TLS'])('counts all of them for maxConnections: %s', async kind => {
    const issued = await (await createCertificateAuthority()).issue({ names: ['localhost'] })
    const { listener, events } = await setUp({
      limits: { maxConnections: 10 },
      ...(kind === 'TLS' && { tls: { cert: issued.cert, key: issued.key } }),
    })
    const { stats } = listener
    const clients = connectAll(listener.port, 40)
    const perTurn = await busyTurns(listener, () => stats.connections.refused === 30)
    expect(perTurn.length).toBeLessThanOrEqual(5)
    expect(stats.connections).toMatchObject({ accepted: 10, refused: 30, failedHandshakes: 0 })
    await expect.poll(() => stats.connections.open).toBe(10)
    expect(events).toHaveLength(30)
    for (const event of events)
      expect(event).toMatchObject({ type: 'connection-refused', remoteAddress: '127.0.0.1' })
    expect(new Set(events.map(event => 'remotePort' in event && event.remotePort)).size).toBe(30)
    // There is room again when one has ended, whoever had accepted it.
    await expect.poll(() => clients.filter(socket => !socket.closed).length).toBe(10)
    for (const client of clients) client.resetAndDestroy()
    await expect.poll(() => stats.connections.open).toBe(0)
    connectAll(listener.port, 10)
    await expect.poll(() => stats.connections.accepted).toBe(20)
    expect(stats.connections.refused).toBe(30)
  })

  it('stops within a turn when its gate closes', async () => {
    const { listener, events } = await setUp({ room: { maxConnections: 5, maxDescriptors: 1_000_000 } })
    connectAll(listener.port, 20)
    await busyTurns(listener, () => listener.stats.accepting.isPaused)
    await busyTurns(listener, () => events.length > 0)
    expect(listener.stats.connections).toMatchObject({ open: 5, accepted: 5, refused: 0 })
    expect(events).toMatchObject([{ type: 'accept-paused' }])
  })

  it('drains to the end of all of them, and frees its port at once', async () => {
    const { listener } = await setUp()
    const clients = connectAll(listener.port, WAITING)
    await busyTurns(listener, () => listener.stats.connections.accepted >= 32)
    let isDrained = false
    const drained = listener.drain().then(() => {
      isDrained = true
    })
    const again = await listen({ address: { host: '127.0.0.1', port: listener.port }, handler: () => {} })
    await again.close()
    expect(isDrained, 'new connections may still send a request').toBe(false)
    for (const client of clients) client.destroy()
    await drained
    expect(listener.stats.connections.open).toBe(0)
  })
})
