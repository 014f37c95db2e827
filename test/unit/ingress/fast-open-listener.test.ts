import type { Server } from 'node:net'
import { constants } from 'node:os'
import { describe, expect, it } from 'vitest'
import type { SocketCalls } from '../../../src/connect/native/socket-calls.ts'
import { fastOpenListener } from '../../../src/ingress/fast-open-listener.ts'
import { listen } from '../../../src/ingress/listener.ts'

/** A server as far as its descriptor goes, and a machine that notes what is set on it. */
function setUp({ fd = 7, setting = 3, errno = 0 }: { fd?: number; setting?: number; errno?: number } = {}) {
  const set: unknown[] = []
  const calls: Pick<SocketCalls, 'set'> = {
    set(...args) {
      set.push(args)
      return errno
    },
  }
  const server = { _handle: { fd } } as unknown as Server // nothing else of it is looked at
  const machine = { loaded: { calls: calls as SocketCalls }, setting: () => setting } // nor of these
  return { server, machine, set }
}

describe('fastOpenListener', () => {
  it.each([2, 3, 0x402])('sets the queue where the kernel allows it for listeners: %i', setting => {
    const { server, machine, set } = setUp({ setting })
    expect(fastOpenListener(server, 256, machine)).toBeUndefined()
    expect(set).toEqual([[7, 'fastOpenQueue', 256]])
  })

  it.each([0, 1, 5])(
    'leaves the socket alone where it does not, since the call would succeed: %i',
    setting => {
      const { server, machine, set } = setUp({ setting })
      expect(fastOpenListener(server, 256, machine)).toBe(
        `net.ipv4.tcp_fastopen is ${setting}, which forbids Fast Open to listeners (0x2 is not set)`,
      )
      expect(set).toEqual([])
    },
  )

  it('says what else is missing', () => {
    const { server, machine } = setUp()
    const unavailable = 'koffi is not installed'
    expect(fastOpenListener(server, 1, { ...machine, loaded: { unavailable } })).toBe(unavailable)
    expect(fastOpenListener(server, 1, { ...machine, setting: () => undefined })).toBe(
      'net.ipv4.tcp_fastopen cannot be read',
    )
    expect(fastOpenListener({ _handle: {} } as unknown as Server, 1, machine)).toMatch(
      /^the socket is not of this process: a worker of node:cluster/,
    )
    const refusing = setUp({ errno: constants.errno.EACCES })
    expect(fastOpenListener(refusing.server, 1, refusing.machine)).toBe('the kernel refuses it: EACCES')
  })
})

describe('listen with fastOpen', () => {
  const listenWith = (fastOpen: number) =>
    listen({ address: { host: '127.0.0.1', port: 0 }, handler: () => {}, fastOpen })

  it('is refused in cleartext, where a request could be made twice', async () => {
    await expect(listenWith(1)).rejects.toMatchObject({
      code: 'MM_INVALID_ARGUMENT',
      message: expect.stringMatching(/^fastOpen needs tls: .* \(RFC 7413 section 6\.1\)$/),
    })
  })

  it.each([-1, 1.5, 65_536, Number.NaN])('is a whole number within bounds: %d', async value => {
    await expect(listenWith(value)).rejects.toMatchObject({
      code: 'MM_INVALID_ARGUMENT',
      message: `fastOpen must be a whole number from 0 to 65535, not ${value}`,
    })
  })
})
