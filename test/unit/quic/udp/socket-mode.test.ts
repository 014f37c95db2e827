import { describe, expect, it } from 'vitest'
import {
  chooseSocketKind,
  describeFeatures,
  refusesSegments,
  type SocketMachine,
} from '../../../../src/quic/udp/socket-mode.ts'

const MACHINE: SocketMachine = {
  platform: 'linux',
  arch: 'x64',
  endianness: 'LE',
  isMainThread: true,
  missing: undefined,
  wish: undefined,
}

describe('the kind of a UDP socket', () => {
  it.each(['x64', 'arm64', 'riscv64', 'loong64'])('is that of system calls on Linux for %s', arch => {
    expect(chooseSocketKind({ ...MACHINE, arch })).toEqual({ kind: 'segmented' })
  })

  it.each([
    ['MIDDLEMILE_UDP is dgram', { wish: 'dgram', platform: 'darwin' }],
    ['UDP in batches is for Linux, not darwin', { platform: 'darwin' }],
    ['the layout of socket structures is not known for s390x', { arch: 's390x', endianness: 'BE' as const }],
    ['the layout of socket structures is not known for arm', { arch: 'arm' }],
    ['the layout of socket structures is not known for arm64', { arch: 'arm64', endianness: 'BE' as const }],
    ['UDP in batches is for the main thread', { isMainThread: false }],
    ['koffi is not installed', { missing: 'koffi is not installed' }],
  ])('is that of Node, because %s', (because, machine) => {
    expect(chooseSocketKind({ ...MACHINE, ...machine })).toEqual({ kind: 'dgram', because })
  })

  it('is described by the calls that it uses', () => {
    expect(describeFeatures({ gso: true, gro: true })).toBe('GSO, GRO, sendmmsg and recvmmsg')
    expect(describeFeatures({ gso: false, gro: true })).toBe('GRO, sendmmsg and recvmmsg')
  })
})

it('a message is refused for its segments by EIO, EINVAL, EMSGSIZE, ENOPROTOOPT and EOPNOTSUPP alone', () => {
  const all = Array.from({ length: 134 }, (_, errno) => errno)
  expect(all.filter(refusesSegments)).toEqual([5, 22, 90, 92, 95])
})
