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
    addressOf: fd => inherited[fd],
    close: fd => void open.delete(fd),
  }
  return { open, loaded: { calls } }
}

const LOOPBACK = { host: '127.0.0.1', port: 8080 }

describe('listening descriptors', () => {
  it('are one for each worker and address, all of one port', async () => {
    const { open, loaded } = machine()
    const sockets = await ListeningDescriptors.open([{ ...LOOPBACK, port: 0 }, LOOPBACK], 2, [], loaded)
    expect(sockets.groups.map(({ address, descriptors }) => [address.port, descriptors.length])).toEqual([
      [4001, 2],
      [8080, 2],
    ])
    expect(open.size).toBe(4)
    expect([...sockets.of(0, 2), ...sockets.of(1, 2)].map(({ length }) => length)).toEqual([1, 1, 1, 1])
    sockets.close()
    expect(open.size).toBe(0)
  })

  it('refuse an address that another program has, and leave nothing open', async () => {
    const { open, loaded } = machine([9090])
    const opening = ListeningDescriptors.open([LOOPBACK, { ...LOOPBACK, port: 9090 }], 2, [], loaded)
    await expect(opening).rejects.toMatchObject({
      code: 'MM_LISTEN_FAILED',
      message: 'cannot open a listener on 127.0.0.1:9090: the address is in use',
    })
    expect(open.size).toBe(0)
  })

  it('are taken from those that were inherited, none of which is left without a worker', async () => {
    const inherited = { 3: LOOPBACK, 4: LOOPBACK, 5: LOOPBACK, 6: { host: '::1', port: 1 } }
    const { open, loaded } = machine([8080], inherited)
    const sockets = await ListeningDescriptors.open([LOOPBACK], 2, [3, 4, 5, 6, 7], loaded)
    expect([sockets.of(0, 2), sockets.of(1, 2)]).toEqual([[[3, 5]], [[4]]])
    expect(open.size).toBe(0)
  })

  it('are shared by workers that are more than they', async () => {
    const { loaded } = machine([8080], { 3: LOOPBACK })
    const sockets = await ListeningDescriptors.open([LOOPBACK], 2, [3], loaded)
    expect([sockets.of(0, 2), sockets.of(1, 2)]).toEqual([[[3]], [[3]]])
  })
})
