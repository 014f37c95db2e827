import { describe, expect, it } from 'vitest'
import {
  formatVersion,
  VERSION_PROBE_BYTES,
  versionProbe,
  versionsOf,
} from '../../../../src/origin/probing/version-probe-packet.ts'

const random = Buffer.from(Array.from({ length: VERSION_PROBE_BYTES }, (_, i) => (i * 37 + 11) & 0xff))
const probe = versionProbe(random)
const ours = { destination: probe.packet.subarray(6, 14), source: probe.packet.subarray(15, 23) }

interface Answer {
  first?: number
  version?: number
  destination?: Uint8Array
  source?: Uint8Array
  versions?: readonly number[]
}

/** A Version Negotiation packet that answers the probe, but for what is given. */
function answer(changes: Answer = {}): Buffer {
  const { first = 0x80, version = 0, destination = ours.source, source = ours.destination } = changes
  const head = Buffer.alloc(5)
  head[0] = first
  head.writeUInt32BE(version, 1)
  const list = (changes.versions ?? [1]).map(listed => {
    const bytes = Buffer.alloc(4)
    bytes.writeUInt32BE(listed)
    return bytes
  })
  return Buffer.concat([
    head,
    Buffer.of(destination.length),
    destination,
    Buffer.of(source.length),
    source,
    ...list,
  ])
}

describe('the packet of a version probe', () => {
  it('is a long header of a reserved version with two ids of eight bytes, in 1200 bytes', () => {
    const { packet } = probe
    expect(packet).toHaveLength(1200)
    expect(packet[0]! & 0xc0).toBe(0xc0)
    expect(packet.readUInt32BE(1) & 0x0f0f0f0f).toBe(0x0a0a0a0a)
    expect([packet[5], packet[14]]).toEqual([8, 8])
  })

  it('uses the given ids, version and padding, and leaves them unchanged', () => {
    const before = Buffer.from(random)
    const { packet } = versionProbe(random)
    expect(random).toEqual(before)
    expect(packet.subarray(6, 14)).toEqual(random.subarray(6, 14))
    expect(packet.subarray(15)).toEqual(random.subarray(15))
    expect(packet[1]! >> 4).toBe(random[1]! >> 4)
  })

  it('refuses another amount of randomness', () => {
    expect(() => versionProbe(random.subarray(1))).toThrow('1200 random bytes')
  })
})

describe('an answer to a version probe', () => {
  it('lists versions once each, without those that are reserved', () => {
    const datagram = answer({ versions: [1, 0x6b33_43cf, 0xfafa_fafa, 1, 0xff00_001d] })
    expect(versionsOf(datagram, probe)?.map(formatVersion)).toEqual([
      '0x00000001',
      '0x6b3343cf',
      '0xff00001d',
    ])
  })

  it('may list nothing but reserved ones', () => {
    expect(versionsOf(answer({ versions: [0x1a1a_1a1a] }), probe)).toEqual([])
  })

  it('may have any other bits in its first byte', () => {
    expect(versionsOf(answer({ first: 0xff }), probe)).toEqual([1])
  })

  it('returns 64 versions and no more, however many there are', () => {
    const versions = Array.from({ length: 5000 }, (_, i) => i + 1)
    expect(versionsOf(answer({ versions }), probe)).toEqual(versions.slice(0, 64))
  })

  it.each<[string, Buffer]>([
    ['is empty', Buffer.alloc(0)],
    ['is a short header', answer({ first: 0x40 })],
    ['is of a version', answer({ version: 1 })],
    ['repeats another source id', answer({ destination: Buffer.alloc(8) })],
    ['repeats another destination id', answer({ source: Buffer.alloc(8) })],
    ['has the ids the wrong way round', answer({ destination: ours.destination, source: ours.source })],
    ['repeats the beginning of an id', answer({ source: ours.destination.subarray(0, 7) })],
    ['repeats more than an id', answer({ destination: Buffer.concat([ours.source, Buffer.of(0)]) })],
    ['lists nothing', answer({ versions: [] })],
    ['ends within a version', answer({ versions: [1, 2] }).subarray(0, -1)],
    ['lists the version that was asked with', answer({ versions: [1, probe.packet.readUInt32BE(1)] })],
    ['ends within its first id', answer().subarray(0, 9)],
    ['ends before its second id', answer().subarray(0, 14)],
  ])('is none when it %s', (_why, datagram) => {
    expect(versionsOf(datagram, probe)).toBeUndefined()
  })

  it('belongs to one probe', () => {
    const other = versionProbe(Buffer.from(random).reverse())
    expect(versionsOf(answer(), other)).toBeUndefined()
  })
})
