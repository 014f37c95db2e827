import { Duplex, PassThrough } from 'node:stream'
import { setImmediate as turn } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import type { HttpDatagrams } from '../../../src/base/http/http-datagrams.ts'
import { encodeUdpCapsule, encodeUdpPayload } from '../../../src/masque/udp-datagrams.ts'
import { UdpTunnel } from '../../../src/masque/udp-tunnel.ts'
import { FakeClock } from '../../../src/testing/fake-clock.ts'
import { varint } from '../../support/http3-wire.ts'

interface Rig {
  readonly tunnel: UdpTunnel
  readonly clock: FakeClock
  /** What the tunnel gets of its stream. */
  readonly incoming: PassThrough
  /** What it has put on its stream. */
  readonly written: Buffer[]
  readonly received: string[]
  readonly ended: string[]
  readonly stream: Duplex
}

function rig({ datagrams, takes = true }: { datagrams?: HttpDatagrams; takes?: boolean } = {}): Rig {
  const incoming = new PassThrough()
  const written: Buffer[] = []
  const outgoing = new Duplex({
    read() {},
    write(chunk: Buffer, _encoding, callback) {
      written.push(chunk)
      if (takes) callback()
    },
  })
  incoming.on('data', chunk => outgoing.push(chunk)).on('end', () => outgoing.push(null))
  const clock = new FakeClock()
  const stream = Object.assign(outgoing, { datagrams: () => datagrams })
  const tunnel = new UdpTunnel(stream, { clock, maxQueuedBytes: 1_000 })
  const received: string[] = []
  const ended: string[] = []
  tunnel.owner = {
    onDatagram: payload => received.push(String(payload)),
    onClosed: (error, isOrderly) => ended.push(isOrderly ? error.message : `broken: ${error.message}`),
  }
  return { tunnel, clock, incoming, written, received, ended, stream }
}

function fakeDatagrams(maxBytes: number): HttpDatagrams & { readonly sent: string[] } {
  const sent: string[] = []
  return {
    maxBytes,
    sent,
    onDatagram: undefined,
    send: datagram => {
      sent.push(Buffer.from(datagram).toString('latin1'))
      return true
    },
  }
}

describe('a UDP tunnel', () => {
  it('sends what fits as datagrams, the rest on the stream, and takes both', async () => {
    const datagrams = fakeDatagrams(11)
    const { tunnel, written, received, incoming } = rig({ datagrams })
    expect(tunnel.maxDatagramBytes).toBe(10)
    expect(tunnel.send(Buffer.from('0123456789'))).toBe(true)
    expect(tunnel.send(Buffer.from('0123456789a'))).toBe(true)
    expect(datagrams.sent).toEqual(['\u00000123456789'])
    expect(written).toEqual([encodeUdpCapsule(Buffer.from('0123456789a'))])
    datagrams.onDatagram?.(encodeUdpPayload(Buffer.from('beside')))
    incoming.write(encodeUdpCapsule(Buffer.from('within')))
    await turn()
    expect(received).toEqual(['beside', 'within'])
  })

  it('drops what its peer leaves no room for, and counts it', () => {
    const { tunnel, written } = rig({ takes: false })
    const taken = Array.from({ length: 5 }, () => tunnel.send(Buffer.alloc(400)))
    expect(taken).toEqual([true, true, false, false, false])
    expect(written).toHaveLength(1) // the other one waits
    expect(tunnel.dropped).toBe(3)
  })

  it('drops other contexts, and ends at a capsule that is longer than any datagram', async () => {
    const { tunnel, incoming, received, ended, stream } = rig()
    incoming.write(Buffer.concat([varint(0), varint(2), varint(2), Buffer.from('x')]))
    await turn()
    expect([received, tunnel.dropped, ended]).toEqual([[], 1, []])
    incoming.write(Buffer.concat([varint(0), varint(70_000)]))
    await turn()
    expect(ended).toEqual([expect.stringMatching(/^broken: .*70000 bytes/)])
    expect(stream.destroyed).toBe(true)
    expect(tunnel.send(Buffer.from('late'))).toBe(false)
  })

  it('ends once, when its peer does', async () => {
    const { incoming, ended, stream } = rig()
    incoming.end()
    await turn()
    await turn()
    expect(ended).toEqual(['the peer ended the tunnel'])
    expect(stream.writableEnded).toBe(true)
  })

  it('that ended before anybody held it notifies its holder then', async () => {
    const { tunnel, incoming, ended } = rig()
    tunnel.owner = undefined
    incoming.end()
    await turn()
    await turn()
    tunnel.owner = {
      onDatagram: () => {},
      onClosed: (error, isOrderly) => ended.push(isOrderly ? error.message : `broken: ${error.message}`),
    }
    await turn()
    expect(ended).toEqual(['the peer ended the tunnel'])
  })

  it('that is closed ends its side, and breaks off a peer that does not end its own', async () => {
    const { tunnel, clock, ended, stream } = rig()
    tunnel.close()
    await turn()
    expect([stream.writableEnded, stream.destroyed]).toEqual([true, false])
    clock.advance(1_000)
    expect(stream.destroyed).toBe(true)
    await turn()
    expect(ended).toEqual([])
  })

  it('that is closed while its peer takes nothing is broken off at once', () => {
    const { tunnel, stream } = rig({ takes: false })
    tunnel.send(Buffer.alloc(100))
    tunnel.close()
    expect(stream.destroyed).toBe(true)
  })
})
