import type { Socket } from 'node:dgram'
import { describe, expect, it } from 'vitest'
import { systemClock } from '../../../src/base/clock.ts'
import type { QuicFinding } from '../../../src/base/events/probe-report.ts'
import type { Endpoint } from '../../../src/base/http/endpoint.ts'
import { quicVersions } from '../../../src/origin/probing/quic-versions.ts'
import { FakeClock } from '../../../src/testing/fake-clock.ts'
import { startCaddy } from '../../support/caddy.ts'
import { startNgtcp2Server } from '../../support/ngtcp2-server.ts'
import { requireBinary } from '../../support/require-binary.ts'
import { freeDualPort, openUdpSocket } from '../../support/udp-port.ts'
import { startUdpRelay } from '../../support/udp-relay.ts'
import { until } from '../../support/until.ts'

/** Version Negotiation drawn from real servers, and from UDP ports that do other things. */

const endpointAt = (port: number, address = '127.0.0.1'): Endpoint => ({
  address,
  family: address.includes(':') ? 6 : 4,
  port,
  transport: 'udp',
})

function probe(port: number, timeoutMs = 2000, address = '127.0.0.1'): Promise<QuicFinding> {
  return quicVersions(
    endpointAt(port, address),
    { clock: systemClock, timeoutMs },
    new AbortController().signal,
  )
}

/**
 * Answers as a server would that knows version 1: ids the other way round, and what is given in their place.
 */
function negotiation(probe: Buffer, versions: readonly number[], ids = probe): Buffer {
  const list = Buffer.alloc(4 * versions.length)
  versions.forEach((version, i) => list.writeUInt32BE(version, 4 * i))
  return Buffer.concat([
    Buffer.of(0x80, 0, 0, 0, 0, 8),
    ids.subarray(15, 23),
    Buffer.of(8),
    ids.subarray(6, 14),
    list,
  ])
}

async function answering(onProbe: (socket: Socket, probe: Buffer, port: number, index: number) => void) {
  const socket = await openUdpSocket()
  let count = 0
  socket.on('message', (datagram, { port }) => onProbe(socket, datagram, port, count++))
  return {
    port: socket.address().port,
    count: () => count,
    [Symbol.dispose]: () => void socket.close(),
  }
}

describe('a version probe', () => {
  it('finds caddy (quic-go) by its versions', async ctx => {
    const missing = requireBinary('caddy')
    ctx.skip(missing !== undefined, missing)
    await using caddy = await startCaddy({ http3: true })
    const startedAt = performance.now()
    const finding = await probe(caddy.tlsPort)
    const tookMs = performance.now() - startedAt
    expect(finding).toMatchObject({ found: { versions: expect.arrayContaining(['0x00000001']) } })
    if (!('found' in finding)) return
    expect(finding.found.ms).toBeGreaterThan(0)
    expect(finding.found.ms).toBeLessThanOrEqual(tookMs)
    // The reserved versions that quic-go mixes in are left out.
    for (const version of finding.found.versions) expect(version).not.toMatch(/^0x(?:.a){4}$/)
  })

  it('finds gtlsserver (ngtcp2), with and without Retry', async ctx => {
    const missing = requireBinary('gtlsserver')
    ctx.skip(missing !== undefined, missing)
    await using server = await startNgtcp2Server()
    expect(await probe(server.port)).toMatchObject({
      found: { versions: expect.arrayContaining(['0x00000001']), ms: expect.any(Number) },
    })
    await using careful = await startNgtcp2Server({ retries: true })
    expect(await probe(careful.port)).toMatchObject({
      found: { versions: expect.arrayContaining(['0x00000001']) },
    })
  })

  it('finds a server behind a path that loses the first two datagrams, and gives the time of the third', async ctx => {
    const missing = requireBinary('caddy')
    ctx.skip(missing !== undefined, missing)
    await using caddy = await startCaddy({ http3: true })
    await using relay = await startUdpRelay(caddy.tlsPort)
    relay.filter = (_datagram, direction, index) => direction === 'to-client' || index >= 2
    const startedAt = performance.now()
    const finding = await probe(relay.port)
    const tookMs = performance.now() - startedAt
    expect(finding).toMatchObject({ found: { versions: expect.arrayContaining(['0x00000001']) } })
    expect(tookMs).toBeGreaterThan(740)
    if ('found' in finding) expect(finding.found.ms).toBeLessThan(tookMs - 740)
    expect(relay.counts['to-server']).toMatchObject({ received: 3, dropped: 2 })
  })

  it.each(['127.0.0.1', '::1'])('is refused at once by a closed port of %s', async address => {
    const port = await freeDualPort()
    const startedAt = performance.now()
    const finding = await probe(port, 5000, address)
    expect(finding).toMatchObject({ why: 'refused', code: 'MM_CONNECT_REFUSED' })
    expect(finding).toMatchObject({
      fault: expect.stringContaining('nobody listens on that UDP port (ECONNREFUSED)'),
    })
    expect(performance.now() - startedAt).toBeLessThan(4_500)
  })

  it('meets silence where a socket swallows everything, after three datagrams of 1200 bytes', async () => {
    const sizes: number[] = []
    using hole = await answering((_socket, datagram) => sizes.push(datagram.length))
    const startedAt = performance.now()
    expect(await probe(hole.port, 2_000)).toEqual({
      fault: `127.0.0.1:${hole.port} no answer: a firewall drops UDP, or nothing speaks QUIC there`,
      why: 'silent',
      code: 'MM_CONNECT_TIMEOUT',
    })
    expect(performance.now() - startedAt).toBeGreaterThan(1_990)
    await until(() => sizes.length >= 3, 'the datagrams')
    expect(sizes).toEqual([1200, 1200, 1200])
  })

  it('asks with other ids each time', async () => {
    const ids = new Set<string>()
    using hole = await answering((_socket, datagram) => ids.add(datagram.toString('hex', 6, 23)))
    await probe(hole.port)
    await until(() => ids.size === 3, 'three datagrams')
  })

  it('does not believe an answer that does not repeat its ids', async () => {
    let before: Buffer | undefined
    using liar = await answering((socket, datagram, port) => {
      const answers = [
        negotiation(datagram, [1], Buffer.alloc(1200)),
        datagram, // an echo
        Buffer.from('HTTP/1.1 400 Bad Request\r\n\r\n'),
        Buffer.alloc(0),
        negotiation(datagram, [datagram.readUInt32BE(1), 1]),
      ]
      for (const answer of answers) socket.send(answer, port, '127.0.0.1')
      before ??= datagram
    })
    expect(await probe(liar.port, 600)).toMatchObject({ why: 'silent' })
    expect(before).toBeDefined()
  })

  it('takes a late answer to an earlier datagram, and its time', async () => {
    using slow = await answering((socket, datagram, port, index) => {
      if (index > 0) return
      setTimeout(() => socket.send(negotiation(datagram, [1, 0x6b33_43cf]), port, '127.0.0.1'), 400)
    })
    const finding = await probe(slow.port)
    expect(finding).toMatchObject({ found: { versions: ['0x00000001', '0x6b3343cf'] } })
    if ('found' in finding) expect(finding.found.ms).toBeGreaterThan(390)
  })

  it('listens to nobody but the port that it asked', async () => {
    const other = await openUdpSocket()
    using asked = await answering((_socket, datagram, port) => {
      other.send(negotiation(datagram, [1]), port, '127.0.0.1')
    })
    expect(await probe(asked.port, 600)).toMatchObject({ why: 'silent' })
    other.close()
  })

  it('says that it may not send there', async () => {
    // The kernel lets nobody send to the broadcast address who has not said so before: nothing leaves.
    expect(await probe(443, 2000, '255.255.255.255')).toMatchObject({
      why: 'unreachable',
      code: 'MM_CONNECT_FAILED',
      fault: expect.stringContaining('this machine forbids it (EACCES)'),
    })
  })

  it('stops when its caller gives up, before or on the way', async () => {
    using hole = await answering(() => {})
    const clock = new FakeClock()
    await expect(quicVersions(endpointAt(hole.port), { clock }, AbortSignal.abort())).rejects.toMatchObject({
      code: 'MM_ABORTED',
    })
    const caller = new AbortController()
    const running = quicVersions(endpointAt(hole.port), { clock }, caller.signal)
    await until(() => hole.count() === 1, 'the first datagram')
    caller.abort()
    await expect(running).rejects.toMatchObject({ code: 'MM_ABORTED' })
    expect(clock.pendingTimers()).toBe(0)
    clock.advance(5000)
    expect(hole.count()).toBe(1)
  })

  it('refuses what is no endpoint', async () => {
    await expect(probe(443, 100, 'localhost')).rejects.toMatchObject({ code: 'MM_INVALID_ARGUMENT' })
    await expect(probe(0, 100)).rejects.toMatchObject({ code: 'MM_INVALID_ARGUMENT' })
  })
})
