import { describe, expect, it } from 'vitest'
import { OwnStream } from '../../../../src/http/http3/unidirectional-streams.ts'
import { FakeQuic } from './fake-quic.ts'

describe('OwnStream', () => {
  it('writes its type first, whatever was put before it was opened, and waits for room', () => {
    const quic = new FakeQuic('client')
    quic.left.unidirectional = 0
    quic.room = 2
    const stream = new OwnStream(quic, 0x54)
    stream.put(Buffer.from('ab'))
    stream.open()
    expect([stream.id, stream.isClear]).toEqual([undefined, false])
    quic.left.unidirectional = 1
    stream.open()
    stream.open()
    stream.put(Buffer.from('cd'))
    expect([stream.id, stream.isClear, quic.stream(2).written.toString('hex')]).toEqual([2, false, '4054'])
    quic.allow(2, 3)
    stream.pump()
    expect(quic.stream(2).written.subarray(2).toString()).toBe('abc')
    quic.allow(2, 3)
    stream.pump()
    expect([stream.isClear, quic.stream(2).written.subarray(2).toString()]).toEqual([true, 'abcd'])
  })
})
