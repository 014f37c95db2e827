import { describe, expect, it, vi } from 'vitest'
import { DEFAULT_CODEC_LIMITS } from '../../../src/http/http1/codec/codec-failure.ts'
import { FlooderTable } from '../../../src/ingress/flooder-table.ts'
import { ServerHttp1Session } from '../../../src/ingress/http1/server-http1-session.ts'
import type { IngressExchange } from '../../../src/ingress/ingress-exchange.ts'
import { type IngressLimitsInput, ingressLimits } from '../../../src/ingress/ingress-limits.ts'
import { newIngressStats } from '../../../src/ingress/ingress-stats.ts'
import { detectPreface, PREFACE_BYTES, SessionOpening } from '../../../src/ingress/session-opening.ts'
import { FakeClock } from '../../../src/testing/fake-clock.ts'
import { collectFaults, DEFECT, fail } from '../../support/collected-faults.ts'
import { requestBlock } from '../../support/http2-fields.ts'
import { FLAG, headers, PREFACE, settings } from '../../support/http2-wire.ts'
import { fc } from '../../support/property.ts'
import { answerOk, FakeSocket, GET, OK, tick } from './fake-client.ts'

const latin1 = (text: string): Buffer => Buffer.from(text, 'latin1')

describe('detectPreface', () => {
  it('recognizes the preface, whole and with more behind it', () => {
    expect(PREFACE_BYTES).toBe(24)
    expect(detectPreface(PREFACE)).toBe('h2')
    expect(detectPreface(Buffer.concat([PREFACE, latin1('\0\0\0\x04')]))).toBe('h2')
  })

  it('waits while only a part of it came', () => {
    for (let bytes = 0; bytes < PREFACE.length; bytes++)
      expect(detectPreface(PREFACE.subarray(0, bytes))).toBe('undecided')
  })

  it.each([
    'GET / HTTP/1.1\r\n',
    'P',
    'PRI * HTTP/1.1\r\n',
    'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\t',
    '\x16\x03',
    '\r\n',
  ])('decides for HTTP/1.1 at %j, as soon as it differs', text => {
    const expected = PREFACE.subarray(0, text.length).equals(latin1(text)) ? 'undecided' : 'http/1.1'
    expect(detectPreface(latin1(text))).toBe(expected)
  })

  it('decides the same however the bytes come, and never revokes it', () => {
    const almost = fc
      .tuple(fc.nat(PREFACE.length), fc.uint8Array({ maxLength: 30 }))
      .map(([kept, rest]) => Buffer.concat([PREFACE.subarray(0, kept), rest]))
    fc.assert(
      fc.property(almost, bytes => {
        const whole = detectPreface(bytes)
        let decided: string | undefined
        for (let end = 0; end <= bytes.length; end++) {
          const verdict = detectPreface(bytes.subarray(0, end))
          if (decided !== undefined) expect(verdict).toBe(decided)
          else if (verdict !== 'undecided') decided = verdict
        }
        expect(decided ?? 'undecided').toBe(whole)
        expect(whole === 'h2').toBe(bytes.subarray(0, 24).equals(PREFACE))
      }),
    )
  })
})

function open(limits: IngressLimitsInput = {}) {
  const clock = new FakeClock()
  const socket = new FakeSocket()
  const stats = newIngressStats()
  const versions: string[] = []
  const opening = new SessionOpening(socket, {
    limits: ingressLimits(limits),
    codecLimits: DEFAULT_CODEC_LIMITS,
    silence: { add: () => {} },
    clock,
    stats,
    observer: () => {},
    flooders: new FlooderTable(ingressLimits()),
    scheme: 'http',
    proxyName: 'middlemile',
    handler: (exchange: IngressExchange) => {
      exchange.events = { onDrain() {}, onAborted() {} }
      versions.push(exchange.httpVersion)
      answerOk(exchange)
    },
  })
  const send = async (bytes: Buffer | string): Promise<void> => {
    socket.push(Buffer.from(bytes as string, 'latin1')) // or a Buffer, which Buffer.from copies
    await tick()
  }
  return { clock, socket, stats, versions, opening, send, output: () => socket.writes.join('') }
}

const HTTP2 = Buffer.concat([
  PREFACE,
  settings(),
  headers(1, requestBlock(), FLAG.END_HEADERS | FLAG.END_STREAM),
])

describe('SessionOpening', () => {
  it.each([
    ['HTTP/1.1', Buffer.from(GET), '1.1'],
    ['HTTP/2', HTTP2, '2'],
  ])('hands over to %s, whole or byte by byte', async (_what, bytes, version) => {
    const whole = open()
    await whole.send(bytes)
    const drop = open()
    for (const byte of bytes) await drop.send(Buffer.of(byte))
    for (const { versions, stats, clock, socket } of [whole, drop]) {
      expect(versions).toEqual([version])
      expect(stats.requests).toBe(1)
      expect(stats.protocols[version === '2' ? 'h2' : 'http/1.1']).toEqual({ connections: 1, requests: 1 })
      socket.destroy()
      await tick()
      expect(clock.pendingTimers()).toBe(0)
    }
  })

  it('leaves a method that begins like the preface to HTTP/1.1', async () => {
    const { send, versions, output } = open()
    await send('P')
    await send('RINT / HTTP/1.1\r\nHost: a\r\n\r\n')
    expect(versions).toEqual(['1.1'])
    expect(output()).toBe(OK)
  })

  it('closes a connection that sends nothing, and answers 408 to one that stops within its first bytes', async () => {
    const silent = open({ keepAliveTimeoutMs: 1000 })
    silent.clock.advance(999)
    expect(silent.socket.writableEnded).toBe(false)
    silent.clock.advance(1)
    expect(silent.socket.writableEnded).toBe(true)
    expect(silent.output()).toBe('')
    const stopped = open({ headerTimeoutMs: 500 })
    await stopped.send('PRI * HT')
    stopped.clock.advance(499)
    expect(stopped.output()).toBe('')
    stopped.clock.advance(1)
    expect(stopped.output()).toMatch(/^HTTP\/1\.1 408 /)
    expect(stopped.stats.badRequests).toEqual({ MM_CLIENT_TIMEOUT: 1 })
  })

  it('ends with its client, with a drain and with the listener', async () => {
    const left = open()
    left.socket.push(null)
    await tick()
    expect(left.socket.writableEnded).toBe(true)
    const drained = open()
    drained.opening.drain()
    expect(drained.socket.writableEnded).toBe(true)
    const ended = open()
    ended.opening.destroy()
    await tick()
    expect(ended.socket.destroyed).toBe(true)
    expect(ended.clock.pendingTimers()).toBe(0)
    const broken = open()
    broken.socket.destroy(new Error('ECONNRESET'))
    await tick()
    expect(broken.clock.pendingTimers()).toBe(0)
  })
})

it('a client that has sent nothing when a drain begins has drainIdleTimeoutMs for one request', async () => {
  const silent = open({ drainIdleTimeoutMs: 1_000 })
  silent.opening.drain()
  silent.clock.advance(999)
  expect(silent.socket.writableEnded).toBe(false)
  silent.clock.advance(1)
  expect(silent.socket.writableEnded).toBe(true)
})

it('a defect in the deadline of a client that has sent nothing yet ends its connection', () => {
  const heard = collectFaults()
  const { clock, socket } = open({ keepAliveTimeoutMs: 1_000 })
  vi.spyOn(ServerHttp1Session.prototype, 'onReadTimeout').mockImplementationOnce(fail)
  clock.advance(1_000)
  expect(heard()).toEqual([`the first bytes of a client: ${String(DEFECT)}`])
  expect(socket.destroyed).toBe(true)
})
