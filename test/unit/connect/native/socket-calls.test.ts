import type { Duplex } from 'node:stream'
import { describe, expect, it } from 'vitest'
import type { LoadedFfi } from '../../../../src/connect/native/load-ffi.ts'
import {
  bindSocketCalls,
  type SocketCalls,
  socketCalls,
  unreadProbe,
} from '../../../../src/connect/native/socket-calls.ts'
import { fc } from '../../../support/property.ts'

type Native = (...args: unknown[]) => unknown

/** A C library of ours. `missing` has no such symbol. */
class FakeLibrary {
  readonly log: string[] = []
  errno = 0
  readonly functions: Record<string, Native> = {
    setsockopt: () => 0,
    getsockopt: () => 0,
    socket: () => 7,
    close: () => 0,
    accept4: () => 8,
    poll: () => 1,
    recv: () => -1,
  }

  bind(missing?: string) {
    const loaded = {
      ffi: {
        errno: () => this.errno,
        load: () => ({
          func: (prototype: string): Native => {
            const [, name = ''] = /(\w+)\(/.exec(prototype) ?? []
            if (name === missing) throw new Error(`Cannot find function '${name}' in shared library`)
            return (...args) => {
              this.log.push(`${name} ${args.filter(arg => typeof arg === 'number').join(' ')}`)
              return this.functions[name]?.(...args)
            }
          },
        }),
      },
    } satisfies LoadedFfi
    return bindSocketCalls(loaded)
  }

  get calls(): SocketCalls {
    const bound = this.bind()
    if ('unavailable' in bound) throw new Error(bound.unavailable)
    return bound.calls
  }
}

describe('bindSocketCalls', () => {
  it('passes on why there is no bridge', () => {
    expect(bindSocketCalls({ unavailable: 'koffi is not installed' })).toEqual({
      unavailable: 'koffi is not installed',
    })
  })

  it.each(['setsockopt', 'getsockopt', 'socket', 'close', 'recv', 'accept4', 'poll'])(
    'says that the C library has no %s',
    name => {
      expect(new FakeLibrary().bind(name)).toEqual({
        unavailable: `the C library lacks a call: Cannot find function '${name}' in shared library`,
      })
    },
  )

  it('says so when it cannot be loaded', () => {
    const ffi = {
      errno: () => 0,
      load: () => {
        throw new Error('no libc')
      },
    }
    expect(bindSocketCalls({ ffi })).toEqual({ unavailable: 'the C library lacks a call: no libc' })
  })

  it('opens sockets that neither block nor are inherited, of either family', () => {
    const library = new FakeLibrary()
    const { calls } = library
    expect([calls.openStream(4), calls.openStream(6)]).toEqual([{ fd: 7 }, { fd: 7 }])
    const type = 1 + 0o4000 + 0o2000000
    expect(library.log).toEqual([`socket 2 ${type} 0`, `socket 10 ${type} 0`])
    library.functions['socket'] = () => -1
    library.errno = 24
    expect(calls.openStream(4)).toEqual({ errno: 24 })
  })

  it('sets options by the numbers of linux/tcp.h, and answers with errno', () => {
    const library = new FakeLibrary()
    const { calls } = library
    let value: unknown
    library.functions['setsockopt'] = (...args) => {
      value = (args[3] as Int32Array)[0]
      return 0
    }
    expect(calls.set(5, 'fastOpenConnect', 1)).toBe(0)
    expect([value, library.log.at(-1)]).toEqual([1, 'setsockopt 5 6 30 4'])
    calls.set(5, 'fastOpenQueue', 256)
    expect([value, library.log.at(-1)]).toEqual([256, 'setsockopt 5 6 23 4'])
    calls.setCongestionControl(5, 'reno')
    expect(library.log.at(-1)).toBe('setsockopt 5 6 13 4')
    library.functions['setsockopt'] = () => -1
    library.errno = 95
    expect([calls.set(5, 'fastOpenConnect', 1), calls.setCongestionControl(5, 'x')]).toEqual([95, 95])
  })

  it('answers undefined where the kernel does not', () => {
    const library = new FakeLibrary()
    library.functions['getsockopt'] = () => -1
    const { calls } = library
    expect([calls.get(-1, 'userTimeoutMs'), calls.congestionControl(-1), calls.tcpInfo(-1)]).toEqual([
      undefined,
      undefined,
      undefined,
    ])
  })

  it('peeks without waiting: bytes, an end and any error but EAGAIN are there to be read', () => {
    const library = new FakeLibrary()
    const { calls } = library
    library.errno = 11
    expect(calls.hasUnread(5)).toBe(false)
    expect(library.log.at(-1)).toBe('recv 5 1 66')
    library.errno = 104
    expect(calls.hasUnread(5)).toBe(true)
    for (const result of [0, 1]) {
      library.functions['recv'] = () => result
      expect(calls.hasUnread(5)).toBe(true)
    }
  })

  it('accepts what waits, as libuv does, and asks in vain for nothing but poll', () => {
    const library = new FakeLibrary()
    const { calls } = library
    let polled: number[] = []
    library.functions['poll'] = (...args) => {
      const { buffer } = args[0] as Int32Array<ArrayBuffer>
      polled = [new Int32Array(buffer)[0] ?? 0, ...new Int16Array(buffer).subarray(2)]
      return 1
    }
    expect(calls.accept(5)).toBe(8)
    expect(polled, 'fd, events, revents').toEqual([5, 1, 0])
    expect(library.log).toEqual(['poll 1 0', `accept4 5 ${0o4000 + 0o2000000}`])
    library.functions['accept4'] = () => -1
    expect(calls.accept(5)).toBeUndefined()
    library.functions['poll'] = () => 0
    library.log.length = 0
    expect([calls.accept(5), library.log]).toEqual([undefined, ['poll 1 0']])
  })

  it('reads no further than the kernel wrote, whatever that is', () => {
    const library = new FakeLibrary()
    const { calls } = library
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 512 }), fc.uint8Array({ maxLength: 16 }), (info, name) => {
        let answer = info
        library.functions['getsockopt'] = (...args) => {
          const [buffer, length] = args.slice(3) as [Buffer, Uint32Array]
          buffer.fill(0xff) // of calls before
          buffer.set(answer)
          length[0] = answer.length
          return 0
        }
        const parsed = calls.tcpInfo(5)
        expect(parsed === undefined).toBe(info.length < 104)
        if (info.length < 144) expect(parsed?.receivedSegments ?? 0).toBe(0)
        answer = name
        const text = calls.congestionControl(5) ?? ''
        const end = name.indexOf(0)
        expect(text).toBe(Buffer.from(name.subarray(0, end < 0 ? name.length : end)).toString('latin1'))
      }),
    )
  })
})

describe('socketCalls', () => {
  it('binds once', () => {
    expect(socketCalls()).toBe(socketCalls())
  })
})

const socketWith = (fd: number): Duplex => ({ _handle: { fd } }) as unknown as Duplex // all that is looked at

describe('unreadProbe', () => {
  it('asks for the descriptor that the socket has at that moment', () => {
    const asked: number[] = []
    const hasUnread = (fd: number): boolean => {
      asked.push(fd)
      return fd === 8
    }
    const calls = { hasUnread } as unknown as SocketCalls // all that is called
    const handle = { fd: 7 }
    const probe = unreadProbe({ _handle: handle } as unknown as Duplex, () => ({ calls })) // all that is looked at
    expect(probe()).toBe(false)
    handle.fd = 8
    expect([probe(), asked]).toEqual([true, [7, 8]])
  })

  it('reports nothing for a closed socket, nor without native calls', () => {
    const calls = {} as unknown as SocketCalls // must not be called
    expect(unreadProbe(socketWith(-1), () => ({ calls }))()).toBeUndefined()
    expect(unreadProbe(socketWith(7), () => ({ unavailable: 'x' }))()).toBeUndefined()
  })
})
