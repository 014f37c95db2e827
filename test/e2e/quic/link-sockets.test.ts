import { once } from 'node:events'
import { afterEach, describe, expect, it } from 'vitest'
import { LinkSockets } from '../../../src/quic/udp/link-sockets.ts'
import { openUdpSocket } from '../../support/udp-port.ts'

const NOBODY = { onDatagram: () => {}, onBatchBegin: () => {}, onBatchEnd: () => {}, onError: () => {} }

describe('the sockets of a link that has migrated', () => {
  const open: { close(): void }[] = []
  afterEach(() => {
    for (const socket of open.splice(0)) socket.close()
  })

  it('send what the engine has to say of a path that was left from the one in use, and what it says of others from there', async () => {
    const peer = await openUdpSocket()
    open.push(peer)
    const remote = { host: '127.0.0.1', port: peer.address().port }
    const sockets = await LinkSockets.open(remote, NOBODY)
    open.push({ close: () => sockets.release() })
    const [first] = sockets.locals
    if (first === undefined) throw new Error('no socket')
    const second = await sockets.add({})
    const spare = await sockets.add({})
    const portOf = async (from: typeof first): Promise<number> => {
      const came = once(peer, 'message')
      sockets.send({ bytes: Buffer.from('x'), from, to: remote })
      sockets.flush()
      const [, { port }] = await came
      return port
    }
    expect(await portOf(first)).toBe(first.port)
    sockets.use(second, first)
    expect(await portOf(first)).toBe(second.port)
    expect(await portOf(spare)).toBe(spare.port)
    sockets.close(first)
    expect(await portOf(first)).toBe(second.port)
    sockets.use(first, second) // the way back: nothing is left but `second`
    expect(await portOf(spare)).toBe(spare.port)
  })
})
