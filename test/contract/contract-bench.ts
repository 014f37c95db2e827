import { afterEach, beforeEach } from 'vitest'
import type { Connection } from '../../src/base/events/connection.ts'
import type { ExchangeRequest } from '../../src/base/http/exchange.ts'
import { FakeClock } from '../../src/testing/fake-clock.ts'
import type { ContractPeer, OriginScript } from './contract-peer.ts'
import { RecordingHandler, RecordingListener } from './recorder.ts'

export function requestOf(overrides: Partial<ExchangeRequest> = {}): ExchangeRequest {
  return {
    method: 'GET',
    scheme: 'http',
    authority: 'origin.example',
    path: '/',
    headers: [],
    body: null,
    headersTimeoutMs: 0,
    bodyTimeoutMs: 0,
    ...overrides,
  }
}

export const hello: OriginScript = exchange => {
  exchange.respond(200, { 'content-type': 'text/plain' })
  exchange.write(Buffer.from('hello'))
  exchange.end()
}

export const echo: OriginScript = async exchange => {
  const body = await exchange.body()
  exchange.respond(200, {
    'x-length': String(body.length),
    'x-trailer': exchange.trailers()['x-sum'] ?? 'none',
  })
  exchange.write(body)
  exchange.end()
}

export const neverAnswers: OriginScript = () => undefined

/** Turns of the event loop, for what must not happen. */
export async function turns(count = 20): Promise<void> {
  for (let i = 0; i < count; i++) await new Promise(resolve => setImmediate(resolve))
}

/**
 * What each test of the contract starts with: a list of events, a listener that writes to it, and a clock
 * that stands still.
 */
export class ContractBench {
  readonly peer: ContractPeer
  log: string[] = []
  listener = new RecordingListener(this.log)
  clock = new FakeClock()

  constructor(peer: ContractPeer) {
    this.peer = peer
    beforeEach(() => {
      this.log = []
      this.listener = new RecordingListener(this.log)
      this.clock = new FakeClock()
    })
    afterEach(() => peer.stop())
  }

  /** The log without the news of capacity, which some protocols hear from the peer at a time of its own. */
  get exchangeLog(): string[] {
    return this.log.filter(entry => entry !== 'capacity-changed')
  }

  connect(script: OriginScript): Promise<Connection> {
    const { listener, clock } = this
    return this.peer.connect({ script, listener, clock })
  }

  /** Opens an exchange, whose events are written down under the title. */
  open(connection: Connection, overrides: Partial<ExchangeRequest> = {}, title = ''): RecordingHandler {
    const handler = new RecordingHandler(this.log, title)
    connection.open(requestOf(overrides), handler)
    return handler
  }
}
