import { describe, expect, it, vi } from 'vitest'
import { ServerHttp1Session } from '../../../../src/ingress/http1/server-http1-session.ts'
import { DEFAULT_INGRESS_LIMITS } from '../../../../src/ingress/ingress-limits.ts'
import { ServerHttp2Session } from '../../../../src/ingress/streams/server-http2-session.ts'
import { collectFaults, DEFECT, fail } from '../../../support/collected-faults.ts'
import { requestBlock } from '../../../support/http2-fields.ts'
import { FLAG, headers } from '../../../support/http2-wire.ts'
import { answerOk, FakeClient, GET, OK, tick } from '../fake-client.ts'
import { FakeHttp2Client } from '../fake-http2-client.ts'

const THROWN = String(DEFECT)
const request = (id: number): Buffer => headers(id, requestBlock(), FLAG.END_HEADERS | FLAG.END_STREAM)
const breakCounting = (stats: { requests: number }): void =>
  void Object.defineProperty(stats, 'requests', { set: fail })

describe('a defect in an event of a client', () => {
  it('over HTTP/1.1 ends that connection, and other connections go on', async () => {
    const heard = collectFaults()
    const client = new FakeClient()
    const other = new FakeClient({}, exchange => answerOk(exchange))
    breakCounting(client.stats.protocols['http/1.1'])
    client.socket.emit('data', Buffer.from(GET))
    await tick()
    expect(heard()).toEqual([`an event of an HTTP/1.1 client: ${THROWN}`])
    expect(client.socket.destroyed).toBe(true)
    other.socket.emit('data', Buffer.from(GET))
    await tick()
    expect(other.output).toBe(OK)
  })

  it('over HTTP/1.1 aborts the exchange that is under way', async () => {
    const heard = collectFaults()
    const client = new FakeClient()
    client.send(GET)
    vi.spyOn(client.clock, 'now').mockImplementationOnce(fail)
    client.socket.emit('drain')
    expect(heard()).toEqual([`an event of an HTTP/1.1 client: ${THROWN}`])
    expect(client.aborted).toMatchObject([{ code: 'MM_INTERNAL', cause: DEFECT }])
  })

  it('over HTTP/1.1 while it writes aborts the exchange', async () => {
    const heard = collectFaults()
    const client = new FakeClient()
    client.send(GET)
    vi.spyOn(client.socket, 'write').mockImplementationOnce(fail)
    client.exchange.respondStart(200, ['content-length', '2'])
    await tick()
    expect(heard()).toEqual([`writing to an HTTP/1.1 client: ${THROWN}`])
    expect(client.socket.destroyed).toBe(true)
    expect(client.aborted).toHaveLength(1)
  })

  it('over HTTP/2 ends the session, and is reported', () => {
    const heard = collectFaults()
    const client = new FakeHttp2Client()
    breakCounting(client.stats.protocols.h2)
    client.send(request(1))
    expect(heard()).toEqual([`a session of h2 with a client: ${THROWN}`])
  })

  it('over HTTP/2 while it writes aborts all exchanges', async () => {
    const heard = collectFaults()
    const client = new FakeHttp2Client()
    client.send(request(1), request(3))
    await tick()
    vi.spyOn(client.socket, 'write').mockImplementationOnce(fail)
    client.exchanges[0]?.respondStart(204, [])
    client.exchanges[0]?.respondEnd([])
    await tick()
    expect(heard()).toEqual([`writing to an HTTP/2 client: ${THROWN}`])
    expect(client.socket.destroyed).toBe(true)
    expect(client.aborted).toEqual([`MM_INTERNAL writing to an HTTP/2 client failed: ${DEFECT.message}`])
  })
})

describe('a defect in a deadline of a client', () => {
  it('over HTTP/1.1 ends that connection, and the exchange on it', () => {
    const heard = collectFaults()
    const client = new FakeClient({ writeTimeoutMs: 1_000 })
    client.send(GET)
    client.socket.isStalled = true
    client.exchange.respondStart(200, ['content-length', '100000'])
    client.exchange.respondData(Buffer.alloc(100_000), chunk => chunk)
    vi.spyOn(ServerHttp1Session.prototype, 'onWriteTimeout').mockImplementationOnce(fail)
    client.clock.advance(2_000)
    expect(heard()).toEqual([`a deadline of an HTTP/1.1 client: ${THROWN}`])
    expect(client.socket.destroyed).toBe(true)
    expect(client.aborted).toMatchObject([{ code: 'MM_INTERNAL', cause: DEFECT }])
  })

  it('over HTTP/1.1 between two requests ends that connection', () => {
    const heard = collectFaults()
    const client = new FakeClient()
    vi.spyOn(client.socket, 'end').mockImplementationOnce(fail)
    client.clock.advance(DEFAULT_INGRESS_LIMITS.keepAliveTimeoutMs)
    expect(heard()).toEqual([`a deadline of an HTTP/1.1 client: ${THROWN}`])
    expect(client.socket.destroyed).toBe(true)
  })

  it('over HTTP/2 ends that connection', () => {
    const heard = collectFaults()
    const client = new FakeHttp2Client()
    vi.spyOn(ServerHttp2Session.prototype, 'drain').mockImplementationOnce(fail)
    client.clock.advance(DEFAULT_INGRESS_LIMITS.keepAliveTimeoutMs)
    expect(heard()).toEqual([`a deadline of a client: ${THROWN}`])
    expect(client.socket.destroyed).toBe(true)
  })
})
