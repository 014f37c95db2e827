import { createDecipheriv } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { cryptoOf, unknownNameClose } from '../../../src/quic/initial-packets.ts'
import { clientInitialKeys, cryptoFrame, sealInitial } from '../../support/initial-packets.ts'

/** RFC 9001 A.1. */
const ID = Buffer.from('8394c8f03e515708', 'hex')
const RFC_KEYS = {
  key: Buffer.from('1f369613dd76d5467730efcbe3b1a22d', 'hex'),
  iv: Buffer.from('fa044b2f42a3fd3b46fb255c', 'hex'),
  hp: Buffer.from('9f50449e04a0e810283a1e9933adedd2', 'hex'),
}
const HELLO = Buffer.from('a ClientHello, or a piece of one')

const read = (datagram: Buffer, id = ID) =>
  cryptoOf(datagram, id)?.map(({ offset, bytes }) => `${offset} ${bytes.toString()}`)

describe('cryptoOf', () => {
  it('opens what the keys of RFC 9001 A.1 protect', () => {
    expect(clientInitialKeys(ID)).toEqual(RFC_KEYS)
    const payload = cryptoFrame(0, HELLO)
    expect(read(sealInitial({ destination: ID, payload, keys: RFC_KEYS, padTo: 1200 }))).toEqual([
      `0 ${String(HELLO)}`,
    ])
  })

  it('reads pieces between padding, pings and acknowledgements, in several packets of a datagram', () => {
    const first = Buffer.concat([
      Buffer.of(1, 0, 0),
      cryptoFrame(20, HELLO.subarray(20)),
      Buffer.of(2, 5, 0, 1, 0, 1, 1),
      Buffer.of(3, 5, 0, 0, 0, 1, 2, 3),
      cryptoFrame(5, HELLO.subarray(5, 9)),
    ])
    const source = Buffer.from('from')
    const packets = [
      sealInitial({ destination: ID, source, token: Buffer.from('token'), number: 7, payload: first }),
      sealInitial({ destination: ID, source, number: 255, payload: cryptoFrame(0, HELLO.subarray(0, 5)) }),
    ]
    const behind = Buffer.concat([...packets, Buffer.from('d00000000108', 'hex'), Buffer.alloc(60)])
    expect(read(behind)).toEqual([
      `20 ${String(HELLO.subarray(20))}`,
      `5 ${String(HELLO.subarray(5, 9))}`,
      `0 ${String(HELLO.subarray(0, 5))}`,
    ])
  })

  it('leaves to the engine what it cannot read', () => {
    const payload = cryptoFrame(0, HELLO)
    const datagram = sealInitial({ destination: ID, payload, padTo: 1200 })
    expect(read(datagram, Buffer.from('another one'))).toBeUndefined()
    for (const at of [0, 1, 4, 5, 30, 100, 1199]) {
      const broken = Buffer.from(datagram)
      broken[at] = broken[at]! ^ 0x40
      expect([at, read(broken)]).toEqual([at, undefined])
    }
    for (let length = 0; length < 60; length++) expect(read(datagram.subarray(0, length))).toBeUndefined()
    // STREAM, which is not to be there; a frame that is cut off.
    for (const bad of [
      Buffer.of(8, 0, 1, 2, 3),
      Buffer.of(6, 0, 0x40),
      Buffer.of(6, 0, 9, 1),
      Buffer.of(2, 1, 1),
    ])
      expect(read(sealInitial({ destination: ID, payload: bad }))).toBeUndefined()
  })

  it('does not change the datagram, which the engine reads next', () => {
    const datagram = sealInitial({ destination: ID, payload: cryptoFrame(0, HELLO), padTo: 1200 })
    const before = Buffer.from(datagram)
    read(datagram)
    expect(datagram.equals(before)).toBe(true)
  })
})

describe('unknownNameClose', () => {
  it('is an Initial of the server, with the alert unrecognized_name', () => {
    const client = Buffer.from('client id')
    const packet = unknownNameClose(ID, client)
    expect(packet.subarray(1, 6 + client.length)).toEqual(
      Buffer.concat([Buffer.of(0, 0, 0, 1, client.length), client]),
    )
    // RFC 9001 A.1: key and iv of the server. Packet number 0, in one byte.
    const numberAt = 6 + client.length + 1 + 8 + 2
    const header = Buffer.from(packet.subarray(0, numberAt + 1))
    header[0] = 0xc0
    header[numberAt] = 0
    const key = Buffer.from('cf3a5331653c364c88f0f379b6067e37', 'hex')
    const decipher = createDecipheriv('aes-128-gcm', key, Buffer.from('0ac1493ca1905853b0bba03e', 'hex'))
    decipher.setAAD(header).setAuthTag(packet.subarray(-16))
    const payload = decipher.update(packet.subarray(numberAt + 1, -16))
    decipher.final()
    expect(payload).toEqual(Buffer.of(0x1c, 0x41, 0x70, 6, 0))
  })
})
