import type { Clock } from '../clock.ts'
import type { Connection } from '../connection.ts'
import type { Decision } from '../decision.ts'
import type { HeaderList } from '../headers.ts'
import { LANE_NAMES, type LaneName } from '../lane.ts'
import type { Http3StatusName, Observer, RaceEvent } from '../observer.ts'
import type { Origin } from '../origin.ts'
import { LaneChooser } from '../select/choice.ts'
import type { ChoiceAction } from '../select/choice-action.ts'
import type { ExchangeSample } from '../select/exchange-sample.ts'
import { joinDelay, planLanes } from '../select/lane-plan.ts'
import type { OriginRecord } from '../select/origin-record.ts'
import type { RaceEntrant } from '../select/race-state.ts'
import type { SelectOptions } from '../select-options.ts'
import { AltSvcReader } from './alt-svc-reader.ts'
import { AnswerWatch } from './answer-watch.ts'
import type { CpuMeter, CpuPayer } from './cpu-meter.ts'
import { Http3Path, type Http3PathHost } from './http3-paths.ts'
import type { Lane } from './lane.ts'
import { laneCandidates } from './lane-candidates.ts'
import { LaneRace, type Racer } from './lane-race.ts'
import type { OriginSettings } from './origin-settings.ts'

export interface LanesParts {
  readonly origin: Origin
  readonly settings: OriginSettings
  readonly record: OriginRecord
  readonly clock: Clock
  readonly observer: Observer
  /** Makes a lane of the origin; `first` is the one that was made first. Undefined: its pools are going away. */
  readonly makeLane: (name: LaneName, first: Lane | undefined) => Lane | undefined
  /** Why this machine speaks no HTTP/3. Loads the engine. */
  readonly http3Fault: () => string | undefined
  readonly cpuMeter: CpuMeter
  /** The record has changed: it is to be kept. */
  readonly onChanged: () => void
}

/** Exchanges over HTTP/3 after which the state of its way is read again. */
const PATH_EVERY = 16
/** That TCP works is news again after this: much less than what h3-status takes for the same moment (BLAME_WINDOW_MS). */
const TCP_NEWS_MS = 1_000
/** A peer that thinks acknowledges a request after up to 25 ms (max_ack_delay, RFC 9000 18.2), by a timer that may be late. */
const ACK_DELAY_MS = 35

/** Lanes that a request without an open connection asks, in order. */
export type RaceWay = readonly { readonly lane: Lane; readonly entrant: RaceEntrant }[]

/**
 * The lanes of one origin, and which of them a request takes: what Envoy calls a connectivity grid. LaneChooser decides among them, planLanes what
 * happens where nothing is open; here it is done.
 */
export class Lanes implements Http3PathHost, CpuPayer {
  /** The lane that the origin always has. */
  readonly primary: Lane
  readonly answers: AnswerWatch
  /** Whether responses may advertise anything that would be followed. */
  readonly readsAltSvc: boolean
  /** Whether there is, or may be, a choice, so that what exchanges take is worth knowing. */
  readonly isChoosing: boolean
  readonly #parts: LanesParts
  readonly #lanes = new Map<LaneName, Lane>()
  readonly #chooser: LaneChooser
  readonly #altSvc: AltSvcReader
  readonly #paths = new WeakMap<Connection, Http3Path>()
  /** Lanes whose connection is being made in the background. */
  readonly #preparing = new Set<LaneName>()
  #eligible: readonly LaneName[] = []
  #hasConcurrency = false
  #http3Samples = 0
  /** Packets of HTTP/3 so far, when they were looked at last. */
  #packets = { sent: 0, lost: 0 }
  #http3Status: { readonly key: string; readonly name: Http3StatusName } | undefined
  /** When something that is known changes by itself: a status, an alternative. */
  #recheckAt = Number.POSITIVE_INFINITY
  #decision: Decision | undefined
  #tcpWorkedAt = Number.NEGATIVE_INFINITY

  constructor(parts: LanesParts) {
    const { settings, origin, clock } = parts
    this.#parts = parts
    const { protocols, select } = settings
    const isSecure = origin.scheme === 'https'
    if (protocols.every(protocol => protocol === 'h3')) parts.record.onHttp3Configured(clock.now())
    const primary = parts.makeLane(protocols.every(protocol => protocol === 'h3') ? 'h3' : 'tcp', undefined)
    if (primary === undefined) throw new Error('an origin without a pool') // the first one is always made
    this.primary = primary
    this.#lanes.set(primary.name, primary)
    this.isChoosing =
      isSecure && primary.name === 'tcp' && protocols.some(protocol => protocol !== 'http/1.1')
    this.readsAltSvc = isSecure && select.altSvc === 'on' && protocols.includes('h3')
    this.answers = new AnswerWatch(clock)
    this.#altSvc = new AltSvcReader()
    const firstPreference: readonly LaneName[] =
      select.policy === 'efficiency' ? ['tcp', 'h3'] : ['h3', 'tcp']
    this.#chooser = new LaneChooser(
      { options: select, firstPreference: [...firstPreference, 'h2-spread', 'http/1.1'] },
      clock.now(),
    )
  }

  /** Begins with what is known. */
  start(): void {
    const { record, clock } = this.#parts
    const now = clock.now()
    this.#chooser.restore(record.estimates, now, now + record.wallOffset)
    if (!this.isChoosing) {
      const { name, connector } = this.primary
      const protocol = connector.offered[0] ?? 'http/1.1'
      const because = 'the configuration and the scheme of the origin leave no other'
      this.#run(this.#chooser.setCandidates([{ lane: name, protocol, isEligible: true, because }], now))
      this.#eligible = [name]
    }
    this.refresh(now)
  }

  // On the way of every request

  /** The lane of a request; or, where none has an open connection, those that race for it. */
  wayOf(isHarmless: boolean, now: number): Lane | RaceWay {
    if (!this.isChoosing) return this.primary
    if (now >= this.#recheckAt) this.refresh(now)
    if (this.#eligible.length < 2) return this.primary
    const chosen = this.named(this.#chooser.next(isHarmless, now))
    return chosen.pool.live > 0 ? chosen : this.#coldWay(chosen)
  }

  /** For requests that HTTP/3 has failed. */
  get withoutHttp3(): Lane {
    return this.fallback ?? this.primary
  }

  /** Where a request goes that HTTP/3 does not answer; undefined: nowhere. */
  get fallback(): Lane | undefined {
    return this.primary.name === 'tcp' ? this.primary : undefined
  }

  pathOf(connection: Connection): Http3Path | undefined {
    return this.#paths.get(connection)
  }

  onResponseHead(status: number, headers: HeaderList): void {
    const { clock, record } = this.#parts
    const news = this.#altSvc.read(status, headers, clock)
    if (news === undefined) return
    record.onAltSvc(news.value, 'alt-svc', news.ageSeconds, clock.now())
    this.onEvidence('alt-svc', news.value)
  }

  onSample(sample: ExchangeSample, now: number): void {
    if (!this.#hasConcurrency && sample.laneStreams >= 2) {
      this.#hasConcurrency = true
      this.refresh(now)
    }
    if (sample.lane !== 'h3' && !sample.failed && now - this.#tcpWorkedAt >= TCP_NEWS_MS)
      this.#onTcpWorked(now)
    this.#parts.cpuMeter.onEnded(this, sample.lane, now)
    if (sample.lane === 'h3' && ++this.#http3Samples % PATH_EVERY === 0) this.#readPath(now)
    const actions = this.#chooser.onSample(sample, now)
    if (actions.length > 0) this.#run(actions)
  }

  onCpu(lane: LaneName, cpuMs: number): void {
    this.#chooser.onCpu(lane, cpuMs, this.#parts.clock.now())
  }

  // Races

  race(way: RaceWay, racer: Racer, isReplay: boolean): LaneRace {
    const { clock, origin, observer } = this.#parts
    return new LaneRace({
      entrants: way,
      clock,
      racer,
      isReplay,
      onEnded: (race: LaneRace, winner: Lane | undefined) => {
        const events: readonly RaceEvent[] = race.events
        observer({ type: 'race-ended', origin, race: events, winner: winner?.name })
      },
    })
  }

  /** What a request that met no open connection would ask now, with the reasons. */
  plan(now: number): readonly RaceEntrant[] {
    this.refresh(now)
    const chosen = this.decision(now).lane
    return this.#plan(this.named(chosen), false, now)
  }

  /** The lane that requests take, whatever is open. */
  preferred(now: number): Lane {
    if (!this.isChoosing) return this.primary
    this.refresh(now)
    return this.named(this.#chooser.decision.lane)
  }

  decision(now: number): Decision {
    return this.#chooser.describe(now)
  }

  // What happens

  /** Something was learned. `fact` is for people. */
  onEvidence(source?: string, fact?: string): void {
    const { observer, origin, clock, onChanged } = this.#parts
    if (source !== undefined && fact !== undefined) observer({ type: 'evidence', origin, source, fact })
    this.refresh(clock.now())
    onChanged()
  }

  onConnected(lane: Lane, connection: Connection): void {
    const { clock } = this.#parts
    const now = clock.now()
    const { connectMs, tlsMs } = connection.handshake.timings
    if (connectMs + tlsMs > 0) this.#chooser.onHandshake(lane.name, connectMs + tlsMs, now)
    if (lane.name === 'h3') {
      const link = lane.connector.linkOf(connection)
      if (link !== undefined) {
        this.#paths.set(connection, new Http3Path(connection, link.quic, link.alternative, this))
      }
      this.refresh(now)
    } else this.#onTcpWorked(now)
  }

  onNetworkChanged(now: number): void {
    this.#tcpWorkedAt = Number.NEGATIVE_INFINITY
    this.#altSvc.forget()
    this.#parts.record.onNetworkChanged(now)
    this.#run(this.#chooser.onNetworkChanged(now))
    this.refresh(now)
  }

  // Http3PathHost

  patienceMs(): number {
    const { joinDelayMaxMs } = this.#parts.settings.select
    const { delayMs } = joinDelay({ http3Status: 'confirmed', ...this.#http3RoundTrip() })
    const roundTripMs = this.#parts.record.http3RoundTripMs ?? joinDelayMaxMs
    return Math.min(joinDelayMaxMs, Math.max(delayMs, roundTripMs + ACK_DELAY_MS))
  }

  onPathProven(path: Http3Path): void {
    const { record, clock } = this.#parts
    record.http3Status(path.alternative).onHttp3Worked(clock.now())
  }

  onPathFailed(path: Http3Path, because: string): void {
    const { record, clock } = this.#parts
    const now = clock.now()
    record.http3Status(path.alternative).onHttp3Failed(because, now)
    this.#onTcpWorked(now)
    this.#lanes.get('h3')?.pool.retire(path.connection, 'network-error')
    this.onEvidence()
  }

  /** Looks at the lanes anew: which are eligible, and what is to be made ready. */
  refresh(now: number): void {
    if (!this.isChoosing) return
    const { record, settings } = this.#parts
    const { candidates, http3, mayVerifyHttp3 } = laneCandidates({
      record,
      settings,
      hasConcurrency: this.#hasConcurrency,
      http3Fault: this.#parts.http3Fault,
      now,
    })
    this.#recheckAt = record.http3ChangesAt(now)
    this.#noteStatus(http3, now)
    this.#eligible = candidates.flatMap(({ lane, isEligible }) => (isEligible ? [lane] : []))
    this.#run(this.#chooser.setCandidates(candidates, now))
    if (mayVerifyHttp3 && settings.select.policy !== 'efficiency') this.#prepare('h3', 1)
  }

  /** What is to be kept of the measurements. */
  snapshotEstimates(now: number, wallNow: number): unknown {
    return this.#chooser.snapshot(now, wallNow)
  }

  close(): void {
    this.answers.close()
  }

  *[Symbol.iterator](): Iterator<Lane> {
    for (const name of LANE_NAMES) {
      const lane = this.#lanes.get(name)
      if (lane !== undefined) yield lane
    }
  }

  // Inside

  #onTcpWorked(now: number): void {
    this.#tcpWorkedAt = now
    this.#parts.record.onTcpWorked(now)
    this.refresh(now)
  }

  /** What QUIC measures of the way, since it was read last. */
  #readPath(now: number): void {
    const lane = this.#lanes.get('h3')
    const paths = lane?.connector.pathsOf(lane.pool.connections()) ?? []
    const [first] = paths
    if (first === undefined) return
    const sent = paths.reduce((sum, path) => sum + path.sentPackets, 0)
    const lost = paths.reduce((sum, path) => sum + path.lostPackets, 0)
    const news = { sent: sent - this.#packets.sent, lost: lost - this.#packets.lost }
    this.#packets = { sent, lost }
    const { record } = this.#parts
    record.onRoundTrip('udp', first.rttMs, now)
    // Connections that have ended took their figures with them.
    if (news.sent <= 0 || news.lost < 0) return
    const lossRatio = Math.min(1, news.lost / news.sent)
    record.onLossRatio('udp', lossRatio, now)
    this.#chooser.onPath('h3', { rttMs: first.rttMs, lossRatio }, now)
  }

  #coldWay(chosen: Lane): Lane | RaceWay {
    const now = this.#parts.clock.now()
    const entrants = this.#plan(chosen, true, now)
    const way = entrants.map(entrant => ({ lane: this.named(entrant.lane), entrant }))
    const first = way[0]?.lane ?? chosen
    if (first !== chosen) this.#prepare(chosen.name, 1)
    return way.length === 1 ? first : way
  }

  #plan(chosen: Lane, looksAtOpen: boolean, now: number): readonly RaceEntrant[] {
    const { record } = this.#parts
    return planLanes({
      chosen: chosen.name,
      because: this.#chooser.decision.because,
      lanes: this.#eligible.map(lane => ({
        lane,
        isEligible: true,
        isOpen: looksAtOpen && (this.#lanes.get(lane)?.pool.live ?? 0) > 0,
      })),
      http3Status: record.http3(now).status,
      ...this.#handshakes(),
      ...this.#http3RoundTrip(),
    })
  }

  #handshakes(): {
    readonly http3HandshakeMs: number | undefined
    readonly tcpHandshakeMs: number | undefined
  } {
    const { record } = this.#parts
    const connectMs = record.connectMs?.value
    return {
      http3HandshakeMs: record.fact('quicMs')?.value,
      tcpHandshakeMs: connectMs === undefined ? undefined : connectMs + (record.tlsMs?.value ?? 0),
    }
  }

  #http3RoundTrip(): { readonly http3RoundTripMs: number | undefined; readonly options: SelectOptions } {
    const { settings, record } = this.#parts
    return { http3RoundTripMs: record.http3RoundTripMs, options: settings.select }
  }

  /** Makes it, if it is not there. */
  named(name: LaneName): Lane {
    const known = this.#lanes.get(name)
    if (known !== undefined) return known
    const made = this.#parts.makeLane(name, this.primary)
    if (made === undefined) return this.primary
    this.#lanes.set(name, made)
    return made
  }

  /** Makes connections of a lane ready that nobody waits for. */
  #prepare(name: LaneName, connections: number): void {
    if (this.#preparing.has(name)) return
    const lane = this.named(name)
    if (lane.name !== name || lane.pool.live >= connections) return
    this.#preparing.add(name)
    const ended = (): void => {
      this.#preparing.delete(name)
    }
    void lane.pool.preconnect(connections).then(ended, ended) // the connector has told how it went
  }

  #run(actions: readonly ChoiceAction[]): void {
    for (const action of actions) {
      if (action.type === 'prepareTrial') this.#prepareTrial(action.lane, action.connections)
      else this.#onDecided(action.decision)
    }
  }

  #prepareTrial(name: LaneName, connections: number): void {
    const { clock } = this.#parts
    const lane = this.named(name)
    if (lane.name !== name) return
    void lane.pool.preconnect(connections).then(
      () => this.#run(this.#chooser.onTrialReady(name, clock.now())),
      (error: Error) => this.#run(this.#chooser.onTrialUnavailable(name, error.message, clock.now())),
    )
  }

  #onDecided(decision: Decision): void {
    const { observer, origin, settings, onChanged } = this.#parts
    const before = this.#decision?.lane
    this.#decision = decision
    observer({ type: 'decision', origin, decision })
    if (before === decision.lane) return
    const { warm } = settings.pool
    if (warm > 0) {
      this.named(decision.lane) // a lane that is made later is not warm
      for (const lane of this) lane.pool.setWarm(lane.name === decision.lane ? warm : 0)
    }
    onChanged()
  }

  #noteStatus(
    http3: { readonly key: string; readonly name: Http3StatusName } | undefined,
    now: number,
  ): void {
    const before = this.#http3Status
    if (http3 === undefined || (before?.key === http3.key && before.name === http3.name)) return
    this.#http3Status = http3
    const { observer, origin, record } = this.#parts
    const because = record.http3Status(http3.key).because(now)
    observer({ type: 'http3-status', origin, alternative: http3.key, status: http3.name, because })
  }
}
