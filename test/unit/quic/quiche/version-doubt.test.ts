import { describe, expect, it } from 'vitest'
import { VERSION_GRACE_MS, VersionDoubt } from '../../../../src/quic/quiche/version-doubt.ts'

const OUR_ID = Buffer.from('0123456789abcdef')
const FIRST_DESTINATION = Buffer.from('the first one')
const VERSION_2 = 0x6b3343cf
const NEVER = Number.POSITIVE_INFINITY

function scripted() {
  const server = { recv: 0, destination: FIRST_DESTINATION }
  const doubt = new VersionDoubt({
    sourceId: () => OUR_ID,
    destinationId: () => server.destination,
    stats: () => ({
      recv: server.recv,
      sent: 1,
      lost: 0,
      recvBytes: 0,
      sentBytes: 1200,
      peerDisableActiveMigration: false,
    }),
  })
  return { server, doubt }
}

function packet(versions: readonly number[], to = OUR_ID, from = FIRST_DESTINATION): Buffer {
  const list = Buffer.alloc(4 * versions.length)
  for (const [index, version] of versions.entries()) list.writeUInt32BE(version, 4 * index)
  return Buffer.concat([Buffer.of(0xc0, 0, 0, 0, 0, to.length), to, Buffer.of(from.length), from, list])
}

describe('a Version Negotiation packet without our version', () => {
  it('is believed when the grace is over, once', () => {
    const { doubt } = scripted()
    expect(doubt.dueAt).toBe(NEVER)
    expect(doubt.takes(packet([VERSION_2]), 1000)).toBe(true)
    expect(doubt.dueAt).toBe(1000 + VERSION_GRACE_MS)
    expect(doubt.verdict(1000 + VERSION_GRACE_MS - 1)).toBeUndefined()
    expect(doubt.verdict(1000 + VERSION_GRACE_MS)).toBe(
      'speaks QUIC version 2 only, which this engine does not',
    )
    expect([doubt.dueAt, doubt.verdict(10_000)]).toEqual([NEVER, undefined])
  })

  it('counts as forged when a packet of the server follows it', () => {
    const { server, doubt } = scripted()
    doubt.takes(packet([VERSION_2]), 1000)
    server.recv = 1
    expect(doubt.verdict(1000 + VERSION_GRACE_MS)).toBeUndefined()
    expect(doubt.dueAt).toBe(NEVER)
  })

  it('counts as forged when a Retry follows it', () => {
    const { server, doubt } = scripted()
    doubt.takes(packet([VERSION_2]), 1000)
    server.destination = Buffer.from('that of the Retry')
    expect(doubt.verdict(1000 + VERSION_GRACE_MS)).toBeUndefined()
  })

  it('raises no doubt once a packet or a Retry of the server has come', () => {
    const heard = scripted()
    heard.server.recv = 1
    expect(heard.doubt.takes(packet([VERSION_2]), 1000)).toBe(true)
    expect(heard.doubt.dueAt).toBe(NEVER)
    const retried = scripted()
    retried.server.destination = Buffer.from('that of the Retry')
    for (const from of [FIRST_DESTINATION, retried.server.destination])
      expect(retried.doubt.takes(packet([VERSION_2], OUR_ID, from), 1000)).toBe(true)
    expect(retried.doubt.dueAt).toBe(NEVER)
  })

  it('does not prolong the grace of an earlier one, nor replace its list', () => {
    const { doubt } = scripted()
    doubt.takes(packet([VERSION_2]), 1000)
    expect(doubt.takes(packet([0xff00001d]), 1500)).toBe(true)
    expect(doubt.dueAt).toBe(1000 + VERSION_GRACE_MS)
    expect(doubt.verdict(1000 + VERSION_GRACE_MS)).toContain('version 2 only')
  })
})

describe('a datagram that raises no doubt', () => {
  it.each([
    ['one that lists our version', packet([VERSION_2, 1])],
    ['one that is not for our id', packet([VERSION_2], Buffer.from('0123456789abcdeF'))],
    ['one that does not answer our Initial', packet([VERSION_2], OUR_ID, Buffer.from('another one'))],
    ['one without a list', packet([])],
    ['one with half a version', packet([VERSION_2]).subarray(0, -1)],
  ])('is %s, which goes no further', (_name, datagram) => {
    const { doubt } = scripted()
    expect(doubt.takes(datagram, 1000)).toBe(true)
    expect(doubt.dueAt).toBe(NEVER)
  })

  it('is any other packet, which is for quiche', () => {
    const { doubt } = scripted()
    expect(doubt.takes(Buffer.of(0xc0, 0, 0, 0, 1, 0, 0), 1000)).toBe(false)
    expect(doubt.takes(Buffer.of(0x40, 0, 0, 0, 0, 0, 0), 1000)).toBe(false)
    expect(doubt.takes(Buffer.of(0xc0), 1000)).toBe(false)
  })
})
