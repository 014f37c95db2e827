import { describe, expect, it } from 'vitest'
import type { HandshakeInfo } from '../../../../src/base/events/connection.ts'
import type { ExchangeRequest } from '../../../../src/base/http/exchange.ts'
import { DEFAULT_RESPONSE_LIMITS } from '../../../../src/base/options/options.ts'
import {
  DEFAULT_HTTP3_OPTIONS,
  DEFAULT_QUIC_OPTIONS,
  type QuicOptions,
} from '../../../../src/base/options/protocol-options.ts'
import { type Http3ConnectionOptions, http3Connection } from '../../../../src/http/http3/connection.ts'
import { decodeTicket, INITIAL_HTTP3_SETTINGS } from '../../../../src/http/http3/frames/settings.ts'
import type { MultiplexedConnection } from '../../../../src/http/multiplex/connection.ts'
import type { QuicLink, QuicLinkOwner } from '../../../../src/quic/engine.ts'
import { FakeClock } from '../../../../src/testing/fake-clock.ts'
import { requestOf } from '../../../contract/contract-bench.ts'
import { RecordingHandler, RecordingListener } from '../../../contract/recorder.ts'
import { RepeatingSource } from '../../../contract/scripted-source.ts'
import {
  data,
  FRAME,
  frame,
  responseHeaders,
  SETTING,
  settings,
  varint,
} from '../../../support/http3-wire.ts'
import { FakeQuic } from './fake-quic.ts'

const ADDRESS = { host: '192.0.2.1', port: 443 }

class FakeLink implements QuicLink {
  readonly mover = undefined
  readonly connection = new FakeQuic('client')
  readonly local = ADDRESS
  readonly remote = ADDRESS
  owner: QuicLinkOwner | undefined
  schedules = 0
  isHeld = false
  schedule(): void {
    this.schedules++
  }
  whenOver(): undefined {
    return undefined
  }
  ref(): void {
    this.isHeld = true
  }
  unref(): void {
    this.isHeld = false
  }
}

interface BenchOptions extends Partial<Http3ConnectionOptions> {
  isEarly?: boolean
  quicOptions?: Partial<QuicOptions>
  peerSettings?: readonly (readonly [number, number])[]
}

/** A connection over a fake QUIC. Its owner is the test. */
class Bench {
  readonly link = new FakeLink()
  readonly quic = this.link.connection
  readonly clock = new FakeClock(1000)
  readonly log: string[] = []
  readonly listener = new RecordingListener(this.log)
  readonly tickets: Buffer[] = []
  readonly defences: string[] = []
  readonly handshake: HandshakeInfo = {
    kind: 'full',
    earlyData: 'none',
    tfo: 'off',
    tlsVersion: 'TLSv1.3',
    timings: { dnsMs: 0, connectMs: 0, tlsMs: 0 },
    attempts: [],
  }
  readonly connection: MultiplexedConnection

  constructor(options: BenchOptions = {}) {
    const { isEarly = false, quicOptions, peerSettings, ...rest } = options
    if (isEarly) this.quic.isInEarlyData = true
    else this.quic.isEstablished = true
    this.connection = http3Connection({
      id: 7,
      link: this.link,
      endpoint: { address: '192.0.2.1', family: 4, port: 443, transport: 'udp' },
      handshake: this.handshake,
      listener: this.listener,
      limits: DEFAULT_RESPONSE_LIMITS,
      http3: DEFAULT_HTTP3_OPTIONS,
      quic: { ...DEFAULT_QUIC_OPTIONS, ...quicOptions },
      clock: this.clock,
      onTicket: ticket => void this.tickets.push(ticket),
      onDefence: limit => void this.defences.push(limit),
      ...rest,
    })
    if (!isEarly) this.deliver(3, Buffer.concat([varint(0), settings(peerSettings)]))
    this.log.length = 0
  }

  deliver(id: number, bytes: Uint8Array, isLast = false): void {
    this.quic.deliver(id, bytes, isLast)
    this.turn()
  }

  turn(): void {
    this.link.owner?.onTurn(this.clock.now())
  }

  open(overrides: Partial<ExchangeRequest> = {}, title = ''): RecordingHandler {
    const handler = new RecordingHandler(this.log, title)
    this.connection.open(requestOf({ scheme: 'https', ...overrides }), handler)
    return handler
  }

  /** What happened, without the news of capacity. */
  get story(): string[] {
    return this.log.filter(line => line !== 'capacity-changed')
  }
}

const flushed = (): Promise<void> => new Promise(resolve => process.nextTick(resolve))

describe('the output of an HTTP/3 connection', () => {
  it('leaves in one write when the caller has written everything that it has', async () => {
    const bench = new Bench()
    bench.open({ method: 'POST', body: Buffer.from('small') })
    bench.open()
    expect(bench.link.schedules).toBeGreaterThan(0)
    await flushed()
    expect(bench.quic.writes.filter(line => /^[04] /.test(line))).toEqual([
      expect.stringMatching(/^0 \d+ end$/),
      expect.stringMatching(/^4 \d+ end$/),
    ])
  })
})

describe('early data of an HTTP/3 connection', () => {
  it('carries only requests that may be early, and the others follow the handshake, whatever became of it', async () => {
    for (const outcome of ['accepted', 'rejected'] as const) {
      const bench = new Bench({ isEarly: true })
      const early = bench.open({ mayBeEarly: true }, 'early')
      const late = bench.open({}, 'late')
      await flushed()
      expect(bench.quic.ids).not.toContain(4)
      expect(early.controller?.wasEarly).toBe(true)
      expect(bench.connection.isCapacityProvisional).toBe(true)
      bench.quic.tell({ type: 'early-data', outcome })
      bench.quic.establish()
      bench.turn()
      expect(bench.handshake.earlyData).toBe(outcome)
      expect(bench.connection.isCapacityProvisional).toBe(false)
      expect(late.controller?.wasEarly).toBe(false)
      await flushed()
      bench.deliver(0, responseHeaders(), true)
      bench.deliver(4, responseHeaders(), true)
      expect([early.status, late.status]).toEqual([200, 200])
    }
  })

  it('leaves requests that waited as surely unprocessed when the connection ends before', () => {
    const bench = new Bench({ isEarly: true })
    const early = bench.open({ mayBeEarly: true }, 'early')
    const late = bench.open({}, 'late')
    bench.quic.ends({ cause: 'idle', isApplication: false })
    bench.turn()
    expect([early.error?.processed, late.error?.processed]).toEqual(['unknown', 'no'])
    expect(bench.story.at(-1)).toMatch(/response-error/)
    expect(bench.log).toContain('closed network-error')
  })
})

describe('the reports of an HTTP/3 connection', () => {
  it('contain a ticket with its settings, as the store keeps it', () => {
    const bench = new Bench({ peerSettings: [[SETTING.MAX_FIELD_SECTION_SIZE, 900]] })
    bench.quic.tell({ type: 'ticket', ticket: Buffer.from('secret') })
    bench.turn()
    expect(bench.tickets.map(decodeTicket)).toEqual([
      {
        ticket: Buffer.from('secret'),
        token: undefined,
        settings: expect.objectContaining({ maxFieldSectionSize: 900 }),
      },
    ])
  })

  it('contain how long the data of an exchange waited behind a gap', () => {
    const bench = new Bench()
    const handler = bench.open()
    bench.deliver(0, responseHeaders())
    // Six datagrams come that nobody can read; the one that was missing fills the gap 80 ms later.
    bench.quic.receivedBytes += 7500
    bench.turn()
    bench.clock.advance(80)
    bench.quic.receivedBytes -= 7400
    bench.deliver(0, data(Buffer.alloc(8000)))
    expect(handler.controller?.stallMs).toBe(80)
  })

  it('contain the defenses of the engine and our own', () => {
    const bench = new Bench({ http3: { ...DEFAULT_HTTP3_OPTIONS, maxIgnoredFramesPerSecond: 1 } })
    bench.quic.tell({ type: 'defence', limit: 'quic.maxSurplusBytes' })
    bench.turn()
    for (let i = 0; i < 11; i++) bench.deliver(3, frame(0x21))
    expect(bench.defences).toEqual(['quic.maxSurplusBytes', 'maxIgnoredFramesPerSecond'])
    expect(bench.log).toContain('closed protocol-error')
  })

  it('contain its state in one line', () => {
    expect(new Bench().connection.toString()).toBe('h3#7 192.0.2.1:443 idle, 0 streams, 0 requests')
  })
})

describe('the end of an HTTP/3 connection', () => {
  it('follows GOAWAY and the last exchange', () => {
    const bench = new Bench()
    const [served, refused] = [bench.open({}, 'served'), bench.open({}, 'refused')]
    bench.deliver(3, frame(FRAME.GOAWAY, varint(4)))
    expect(bench.connection.requestsTaken).toBe(1)
    expect([refused.error?.code, refused.error?.processed]).toEqual(['MM_REFUSED', 'no'])
    bench.deliver(0, responseHeaders(), true)
    expect(served.status).toBe(200)
    expect(bench.story.slice(2)).toEqual([
      'draining peer-closed',
      'stream-closed',
      'refused: response-error MM_REFUSED no',
      'served: response-start 200',
      'stream-closed',
      'served: response-end',
      'closed peer-closed',
    ])
    expect(bench.quic.closed?.code).toBe(0x100)
  })

  it('follows its age in requests', () => {
    const bench = new Bench({ quicOptions: { maxRequestsPerConnection: 2 } })
    bench.open({}, 'first')
    bench.open({}, 'second')
    expect(bench.story).toContain('draining max-requests')
    const third = bench.open({}, 'third')
    expect(third.error?.processed).toBe('no')
    bench.deliver(0, responseHeaders(), true)
    bench.deliver(4, responseHeaders(), true)
    expect(bench.story.at(-1)).toBe('closed max-requests')
  })

  it('follows its limit of unread bytes, while requests under way go on', () => {
    const bench = new Bench()
    const first = bench.open({}, 'first')
    bench.quic.tell({ type: 'worn-out' })
    bench.turn()
    expect(bench.story).toContain('draining max-requests')
    expect(bench.open({}, 'second').error?.processed).toBe('no')
    bench.deliver(0, responseHeaders(), true)
    expect(first.status).toBe(200)
    expect(bench.story.at(-1)).toBe('closed max-requests')
  })

  it('follows silence while an exchange waits', () => {
    const bench = new Bench({
      liveness: { intervalMs: 1000, timeoutMs: 2000, idleIntervalMs: 0, quietIntervalMs: 0 },
      quicOptions: { unresponsiveMs: 0 },
    })
    bench.clock.advance(60_000)
    expect(bench.quic.pings).toBe(0)
    const handler = bench.open()
    bench.clock.advance(2999)
    expect([bench.quic.pings, handler.error]).toEqual([2, undefined])
    bench.clock.advance(1)
    expect([handler.error?.code, handler.error?.processed]).toEqual(['MM_CONNECTION_RESET', 'unknown'])
    expect(bench.log).toContain('closed ping-failed')
    expect(bench.clock.pendingTimers()).toBe(0)
  })

  it('follows the idle timeout, as no fault when nothing was under way', () => {
    const idle = new Bench()
    idle.quic.ends({ cause: 'idle', isApplication: false })
    idle.turn()
    expect(idle.story).toEqual(['closed idle-timeout'])

    const busy = new Bench()
    const handler = busy.open()
    busy.quic.ends({ cause: 'idle', isApplication: false })
    busy.turn()
    expect(busy.log.at(-2)).toBe('closed network-error')
    expect(handler.error?.code).toBe('MM_CONNECTION_RESET')
  })

  it('follows a link that is closed without notice', () => {
    const bench = new Bench()
    const handler = bench.open()
    bench.link.owner?.onClosed()
    bench.link.owner?.onClosed()
    expect(handler.error?.code).toBe('MM_CONNECTION_CLOSED')
    expect(bench.log.filter(line => line.startsWith('closed'))).toEqual(['closed network-error'])
  })

  it('follows a fault of the peer’s, which all its exchanges are notified of behind the listener', () => {
    const bench = new Bench()
    bench.open({}, 'one')
    bench.open({}, 'other')
    bench.deliver(0, data('before the head'))
    expect(bench.story.slice(2)).toEqual([
      'draining protocol-error',
      'stream-failed',
      'stream-failed',
      'closed protocol-error',
      'one: response-error MM_PROTOCOL_ERROR unknown',
      'other: response-error MM_PROTOCOL_ERROR unknown',
    ])
  })
})

describe('a request that waits for credit for a stream', () => {
  it('is given back when no credit comes, on a connection on which nothing else is due', () => {
    const bench = new Bench()
    bench.clock.advance(60_000)
    bench.quic.left.bidirectional = 0
    const handler = bench.open({ headersTimeoutMs: 0 })
    bench.clock.advance(1999)
    expect(handler.error).toBeUndefined()
    bench.clock.advance(1)
    expect([handler.error?.code, handler.error?.processed]).toEqual(['MM_REFUSED', 'no'])
  })
})

describe('an upload that the peer refuses to go on with', () => {
  it('is given up while its answer is waited for', () => {
    const bench = new Bench()
    bench.quic.allow(0, 0)
    const source = new RepeatingSource(Buffer.alloc(65_536), 1000)
    const timeouts = { headersTimeoutMs: 5000, bodyTimeoutMs: 1000 }
    const handler = bench.open({ method: 'POST', body: source, ...timeouts })
    bench.quic.peerStops(0, 0x100)
    bench.turn()
    expect([source.isCancelled, source.sent < 1000, handler.error]).toEqual([true, true, undefined])
    bench.clock.advance(4999)
    bench.deliver(0, responseHeaders(), true)
    expect([handler.status, handler.error]).toEqual([200, undefined])
  })
})

describe('a tunnel', () => {
  it('keeps the process alive for as long as it is open, and hands back its lease then', () => {
    const bench = new Bench({ peerSettings: [[SETTING.ENABLE_CONNECT_PROTOCOL, 1]] })
    const handler = bench.open({ upgrade: 'websocket' })
    bench.deliver(0, responseHeaders())
    expect([handler.tunnel !== undefined, bench.link.isHeld]).toEqual([true, true])
    expect(bench.story).not.toContain('stream-closed')
    handler.tunnel?.destroy()
    expect([bench.link.isHeld, bench.story.at(-1)]).toEqual([false, 'stream-closed'])
    expect(bench.quic.stream(0).resetCode).toBe(0x10c)
  })

  it('is refused where it is not offered, before anything was put out', () => {
    const bench = new Bench()
    const handler = bench.open({ upgrade: 'websocket' })
    expect([handler.error?.code, handler.error?.processed]).toEqual(['MM_UPGRADE_UNAVAILABLE', 'no'])
    expect(bench.quic.ids).not.toContain(0)
  })
})

describe('the linger of a connection that used up a ticket', () => {
  const settingsBefore = { ...INITIAL_HTTP3_SETTINGS }
  const lingers = (): { bench: Bench; overs: Promise<void>[] } => {
    const overs: Promise<void>[] = []
    const bench = new Bench({ rememberedSettings: settingsBefore, onLinger: over => void overs.push(over) })
    return { bench, overs }
  }

  it('waits for the next ticket, and closes with it', async () => {
    const { bench, overs } = lingers()
    bench.connection.close('shutdown')
    expect([bench.story, bench.quic.closed, bench.link.isHeld]).toEqual([
      ['closed shutdown'],
      undefined,
      true,
    ])
    bench.quic.tell({ type: 'ticket', ticket: Buffer.from('next') })
    bench.turn()
    await Promise.all(overs)
    expect(bench.tickets.map(ticket => decodeTicket(ticket)?.ticket.toString())).toEqual(['next'])
    expect([bench.quic.closed?.code, bench.link.isHeld]).toEqual([0x100, false])
    expect(bench.clock.pendingTimers()).toBe(0)
  })

  it('waits for SETTINGS, too, which a ticket is kept with', async () => {
    const overs: Promise<void>[] = []
    const bench = new Bench({
      isEarly: true,
      rememberedSettings: settingsBefore,
      onLinger: over => void overs.push(over),
    })
    bench.quic.isInEarlyData = false
    bench.quic.isEstablished = true
    bench.connection.close('shutdown')
    bench.quic.tell({ type: 'ticket', ticket: Buffer.from('next') })
    bench.turn()
    expect([bench.quic.closed, bench.tickets.length]).toEqual([undefined, 0])
    bench.deliver(3, Buffer.concat([varint(0), settings([[SETTING.MAX_FIELD_SECTION_SIZE, 900]])]))
    await Promise.all(overs)
    expect(bench.tickets.map(decodeTicket)).toEqual([
      expect.objectContaining({ settings: expect.objectContaining({ maxFieldSectionSize: 900 }) }),
    ])
    expect(bench.quic.closed?.code).toBe(0x100)
  })

  it('is over when the peer breaks a rule meanwhile', async () => {
    const { bench, overs } = lingers()
    bench.connection.close('shutdown')
    bench.deliver(3, settings([]))
    await Promise.all(overs)
    expect([bench.quic.closed?.code, bench.tickets.length]).toEqual([0x100, 0])
  })

  it('is over after two round trips and a little', async () => {
    const { bench, overs } = lingers()
    bench.connection.close('shutdown')
    bench.clock.advance(1000)
    await Promise.all(overs)
    expect([bench.quic.closed?.code, bench.tickets.length]).toEqual([0x100, 0])
  })

  it('ends with the link', async () => {
    const { bench, overs } = lingers()
    bench.connection.close('shutdown')
    bench.link.owner?.onClosed()
    await Promise.all(overs)
    expect(bench.clock.pendingTimers()).toBe(0)
  })

  it.each([
    ['got its ticket', { rememberedSettings: settingsBefore }, true],
    ['used no ticket', {}, false],
  ])('is left out by a connection that %s, which closes at once', (_who, options, hasTicket) => {
    const overs: Promise<void>[] = []
    const bench = new Bench({ ...options, onLinger: over => void overs.push(over) })
    if (hasTicket) {
      bench.quic.tell({ type: 'ticket', ticket: Buffer.from('next') })
      bench.turn()
    }
    bench.connection.close('shutdown')
    expect([bench.quic.closed?.code, overs.length]).toEqual([0x100, 0])
  })
})
