import type { Http3StatusName, LaneName } from '../../src/entry/events.ts'
import type { Observer, TransportEvent } from '../../src/index.ts'

type EventOf<Type extends TransportEvent['type']> = Extract<TransportEvent, { type: Type }>

/** Everything that a transport reports its choices, in order, as tests ask for it. */
export class SelectionLog {
  readonly events: TransportEvent[] = []
  readonly #lines: string[] = []
  readonly #startedAt = performance.now()
  readonly observer: Observer = event => {
    this.events.push(event)
    this.#lines.push(`${(performance.now() - this.#startedAt).toFixed(1)} ${describeEvent(event)}`)
  }

  of<Type extends TransportEvent['type']>(type: Type): EventOf<Type>[] {
    return this.events.filter((event): event is EventOf<Type> => event.type === type)
  }

  /** Which lane carried each exchange, in the order of their ends. */
  get lanes(): LaneName[] {
    return this.of('exchange-ended').map(({ lane }) => lane)
  }

  /** What was thought of HTTP/3, one after the other, for each alternative together. */
  get statuses(): Http3StatusName[] {
    return this.of('http3-status').map(({ status }) => status)
  }

  /** Dials over HTTP/3 that have ended, as `host:port outcome`. */
  get http3Dials(): string[] {
    return this.of('dial-ended')
      .filter(({ lane }) => lane === 'h3')
      .flatMap(({ attempts }) => attempts.map(({ endpoint, outcome }) => `${endpoint} ${outcome}`))
  }

  /** For people: what happened, with its times. */
  get text(): string {
    return this.#lines.join('\n')
  }

  clear(): void {
    this.events.length = 0
    this.#lines.length = 0
  }
}

function describeEvent(event: TransportEvent): string {
  switch (event.type) {
    case 'exchange-ended': {
      const { lane, protocol, status, totalMs, queueMs, retries, error } = event
      const times = `${totalMs.toFixed(1)} ms, ${queueMs.toFixed(1)} ms of it waiting`
      return `exchange ${lane} ${protocol} ${status} ${times}, ${retries} retries ${error?.message ?? ''}`
    }
    case 'decision':
      return `decision ${event.decision.lane} ${event.decision.rule}: ${event.decision.because}`
    case 'race-ended':
      return `race ${event.winner ?? 'lost'}: ${event.race.map(({ atMs, lane, event: what }) => `${atMs.toFixed(1)} ${lane} ${what}`).join(', ')}`
    case 'http3-status':
      return `http3 ${event.alternative} ${event.status}: ${event.because}`
    case 'evidence':
      return `evidence ${event.source}: ${event.fact}`
    case 'dial-ended':
      return `dial ${event.lane}: ${event.attempts.map(({ endpoint, outcome }) => `${endpoint} ${outcome}`).join(', ')}`
    case 'connection-opened':
      return `opened ${event.connection.toString()}, ${event.connection.handshake.kind}`
    case 'connect-failed':
      return `connect failed: ${event.error.message}`
    case 'exchange-retried':
      return `retried ${event.reason}: ${event.error.message}`
    case 'state-fault':
      return `state fault: ${event.message}`
    default:
      return event.type
  }
}
