import { describe, expect, it } from 'vitest'
import type { ListeningSocketCalls } from '../../../../src/connect/native/listening-sockets.ts'
import { ListeningDescriptors } from '../../../../src/service/workers/listening-descriptors.ts'

const EADDRINUSE = 98

/** A machine where these ports are taken; it counts what is open. */
function machine(
  taken: readonly number[] = [],
  inherited: Record<number, { host: string; port: number }> = {},
) {
  const open = new Set<number>()
  let lastFd = 100
  const calls: ListeningSocketCalls = {
    open(_family, { port }, sharesPort) {
      if (taken.includes(port)) return { errno: EADDRINUSE }
      open.add(++lastFd)
      return { fd: lastFd, port: port === 0 ? 4000 + (sharesPort ? 0 : 1) : port }
    },
    openUnix: () => ({ errno: 98 }),
    unixPathOf: () => undefined,
    addressOf: fd => inherited[fd],
    openDatagram(_family, { port }) {
      if (taken.includes(port)) return { errno: EADDRINUSE }
      open.add(++lastFd)
      return { fd: lastFd, port }
    },
    datagramAddressOf: fd => inherited[fd],
    steer: () => 0,
    close: fd => void open.delete(fd),
  }
  return { open, loaded: { calls } }
}

const LOOPBACK = { host: '127.0.0.1', port: 8080 }
const overTcp = (port: number) => ({ address: { ...LOOPBACK, port }, tcp: true, quic: false })
const overBoth = (port: number) => ({ ...overTcp(port), quic: true })

describe('listening descriptors', () => {
  it('are one for each worker and address, all of one port', async () => {
    const { open, loaded } = machine()
    const sockets = await ListeningDescriptors.open([overTcp(0), overTcp(8080)], 2, undefined, loaded)
    expect(sockets.groups.map(({ address, descriptors }) => [address.port, descriptors.length])).toEqual([
      [4001, 2],
      [8080, 2],
    ])
    expect(open.size).toBe(4)
    expect([...sockets.of(0, 2), ...sockets.of(1, 2)].map(({ length }) => length)).toEqual([1, 1, 1, 1])
    sockets.close()
    expect(open.size).toBe(0)
  })

  it('refuse an address that another program uses, and leave nothing open', async () => {
    const { open, loaded } = machine([9090])
    const opening = ListeningDescriptors.open([overTcp(8080), overTcp(9090)], 2, undefined, loaded)
    await expect(opening).rejects.toMatchObject({
      code: 'MM_LISTEN_FAILED',
      message: 'cannot open a listener on 127.0.0.1:9090: the address is in use',
    })
    expect(open.size).toBe(0)
  })

  it('include inherited ones, none of which is left without a worker', async () => {
    const inherited = { 3: LOOPBACK, 4: LOOPBACK, 5: LOOPBACK, 6: { host: '::1', port: 1 } }
    const { open, loaded } = machine([8080], inherited)
    const sockets = await ListeningDescriptors.open(
      [overTcp(8080)],
      2,
      { listening: [3, 4, 5, 6, 7], foreign: [], quic: [] },
      loaded,
    )
    expect([sockets.of(0, 2), sockets.of(1, 2)]).toEqual([[[3, 5]], [[4]]])
    expect(open.size).toBe(0)
  })

  it('are shared by workers that are more than they', async () => {
    const { loaded } = machine([8080], { 3: LOOPBACK })
    const sockets = await ListeningDescriptors.open(
      [overTcp(8080)],
      2,
      { listening: [3], foreign: [], quic: [] },
      loaded,
    )
    expect([sockets.of(0, 2), sockets.of(1, 2)]).toEqual([[[3]], [[3]]])
  })

  it('have UDP sockets at the same port, which grow in number as workers claim them', async () => {
    const { open, loaded } = machine()
    const sockets = await ListeningDescriptors.open([overBoth(0), overTcp(8080)], 2, undefined, loaded)
    expect(open.size).toBe(5)
    const [first, none] = sockets.claim(1)
    expect([first?.socket, none]).toEqual([0, undefined])
    expect(sockets.claim(2)[0]).toMatchObject({ socket: 1, mark: first?.mark })
    expect(open.size).toBe(6)
    expect(sockets.groups.map(({ address }) => address.port)).toEqual([4001, 8080])
    sockets.close()
    expect(open.size).toBe(0)
  })

  it('refuse a UDP port that another program uses, and leave nothing open', async () => {
    const { open, loaded } = machine([7070])
    const quicOnly = { ...overBoth(7070), tcp: false }
    const opening = ListeningDescriptors.open([overTcp(8080), quicOnly], 2, undefined, loaded)
    await expect(opening).rejects.toMatchObject({
      message: 'cannot open a listener of HTTP/3 on 127.0.0.1:7070: the address is in use',
    })
    expect(open.size).toBe(0)
  })

  it('take over UDP sockets by their address, and close those that are not needed any more', async () => {
    const { open, loaded } = machine([8080], { 3: LOOPBACK, 8: LOOPBACK, 9: { ...LOOPBACK, port: 1 } })
    for (const fd of [3, 8, 9]) open.add(fd)
    const quic = [
      { fds: [9], mark: 4, used: [] },
      { fds: [8], mark: 5, used: [] },
    ]
    const sockets = await ListeningDescriptors.open(
      [overBoth(8080)],
      1,
      { listening: [3], foreign: [], quic },
      loaded,
    )
    expect(sockets.claim(1)).toEqual([{ fd: 8, mark: 5, socket: 0 }])
    expect([...open]).toEqual([3, 8])
  })
})
