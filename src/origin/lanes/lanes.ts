import type { Clock } from '../../base/clock.ts'
import type { CloseReason, Connection } from '../../base/events/connection.ts'
import type { Decision } from '../../base/events/decision.ts'
import type { Observer, RaceEvent } from '../../base/events/observer.ts'
import type { HeaderList } from '../../base/http/headers.ts'
import type { Origin } from '../../base/http/origin.ts'
import type { LaneName } from '../../base/http/protocol.ts'
import { LaneChooser } from '../../select/choice/choice.ts'
import type { ChoiceAction, ExchangeSample } from '../../select/choice/choice-action.ts'
import { planLanes } from '../../select/lane-plan.ts'
import type { RaceEntrant } from '../../select/race/race-state.ts'
import type { OriginRecord } from '../../select/record/origin-record.ts'
import type { OriginSettings } from '../origin-settings.ts'
import { Http3Path, type Http3PathHost } from '../paths/http3-paths.ts'
import { PathReader } from '../paths/path-health.ts'
import type { CpuMeter, CpuPayer } from './cpu-meter.ts'
import { type Lane, LanePreparation, LaneSet, type MakeLane, type TrialHost } from './lane.ts'
import { hedgeDelayMs, laneCandidates, raceFigures } from './lane-candidates.ts'
import { AltSvcReader, Http3StatusNews, SampleThinning } from './lane-news.ts'
import { LaneRace, type Racer } from './lane-race.ts'

export interface LanesParts {
  readonly origin: Origin
  readonly settings: OriginSettings
  readonly record: OriginRecord
  readonly clock: Clock
  readonly observer: Observer
  readonly makeLane: MakeLane
  /** Why this machine speaks no HTTP/3. Loads the engine. */
  readonly http3Fault: () => string | undefined
  readonly cpuMeter: CpuMeter
  /** The record has changed: it is to be kept. */
  readonly onChanged: () => void
}

/**
 * That TCP works is news again after this: much less than what h3-status takes for the same moment
 * (BLAME_WINDOW_MS).
 */
const TCP_NEWS_MS = 1_000

/** Lanes that a request without an open connection asks, in order. */
export type RaceLanes = readonly { readonly lane: Lane; readonly entrant: RaceEntrant }[]

/**
 * The lanes of one origin, and which of them a request takes: what Envoy calls a connectivity grid.
 * LaneChooser decides among them, planLanes what happens where nothing is open; here it is done.
 */
export class Lanes implements Http3PathHost, CpuPayer, TrialHost {
  /** The lane that the origin always has. */
  readonly primary: Lane
  /** Whether responses may advertise anything that would be followed. */
  readonly readsAltSvc: boolean
  /** Whether there is, or may be, a choice, so that what exchanges take is worth knowing. */
  readonly isChoosing: boolean
  readonly #parts: LanesParts
  readonly #lanes: LaneSet
  readonly #preparation: LanePreparation
  readonly #pathReaders: Partial<Record<LaneName, PathReader>> = {}
  readonly #thinning = new SampleThinning()
  readonly #statusNews: Http3StatusNews
  readonly #chooser: LaneChooser
  readonly #altSvc: AltSvcReader
  readonly #paths = new WeakMap<Connection, Http3Path>()
  #eligible: readonly LaneName[] = []
  #hasConcurrency = false
  /**
   * A request went, or somebody asked for a connection: before that HTTP/3 is not looked for in the
   * background.
   */
  #isInUse = false
  /** When something that is known changes by itself: a status, an alternative. */
  #recheckAt = Number.POSITIVE_INFINITY
  #decision: Decision | undefined
  #tcpWorkedAt = Number.NEGATIVE_INFINITY

  constructor(parts: LanesParts) {
    const { settings, origin, clock } = parts
    this.#parts = parts
    const { protocols, select } = settings
    const isSecure = origin.scheme === 'https'
    const isHttp3Only = protocols.every(protocol => protocol === 'h3')
    if (isHttp3Only) parts.record.onHttp3Configured(clock.now())
    this.#lanes = new LaneSet(isHttp3Only ? 'h3' : 'tcp', parts.makeLane)
    this.#preparation = new LanePreparation(this.#lanes, this)
    this.primary = this.#lanes.primary
    // Where there may be one connection, another lane would have to end the first one's to be tried.
    this.isChoosing =
      isSecure &&
      settings.pool.maxConnections !== 1 &&
      this.primary.name === 'tcp' &&
      protocols.some(protocol => protocol !== 'http/1.1')
    this.readsAltSvc = isSecure && select.altSvc === 'on' && protocols.includes('h3')
    this.#statusNews = new Http3StatusNews(parts)
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
  selectLane(isHarmless: boolean, now: number): Lane | RaceLanes {
    if (!this.isChoosing) return this.primary
    if (now >= this.#recheckAt || !this.#isInUse) this.#use(now)
    if (this.#eligible.length < 2) return this.primary
    const chosen = this.named(this.#chooser.next(isHarmless, now))
    return chosen.pool.live > 0 ? chosen : this.#planColdStart(chosen)
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
    this.#isInUse = true // of an upgrade as well, which asks for no lane
    const news = this.#altSvc.read(status, headers, clock)
    if (news === undefined) return
    record.onAltSvc(news.value, 'alt-svc', news.ageSeconds, clock.now())
    this.onEvidence('alt-svc', news.value)
  }

  /**
   * An exchange over the lane has ended, or a try of it failed. Whether it is a sample for the choice; then
   * onSample() follows.
   */
  isSample(lane: LaneName, now: number): boolean {
    this.#parts.cpuMeter.onEnded(this, lane, now)
    return this.#thinning.takes(this.#chooser.isTrying, now)
  }

  onSample(sample: ExchangeSample, now: number): void {
    if (!this.#hasConcurrency && sample.laneStreams >= 2) {
      this.#hasConcurrency = true
      this.refresh(now)
    }
    if (sample.lane !== 'h3' && !sample.failed && now - this.#tcpWorkedAt >= TCP_NEWS_MS)
      this.#onTcpWorked(now)
    this.#readPath(sample.lane, now)
    const actions = this.#chooser.onSample(sample, now)
    if (actions.length > 0) this.#run(actions)
  }

  /** An exchange ended, and somebody listens; where there is a choice it was a sample before. */
  onObserved(lane: LaneName, now: number): void {
    if (!this.isChoosing) this.#readPath(lane, now)
  }

  onCpu(lane: LaneName, cpuMs: number): void {
    this.#chooser.onCpu(lane, cpuMs, this.#parts.clock.now())
  }

  // Races

  race(way: RaceLanes, racer: Racer, isReplay: boolean): LaneRace {
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
    const { lane, rule, because } = this.decision(now)
    const { protocol, connectMs, http3RoundTripMs, lastFailure } = this.#parts.record
    const isKnown = (protocol ?? connectMs ?? http3RoundTripMs ?? lastFailure) !== undefined
    // Why each of the others may not stands with the decision.
    const reason = rule === 'only-candidate' ? 'no other lane may carry requests' : because
    return this.#plan(this.named(lane), false, now, isKnown ? reason : this.#chooser.decision.because)
  }

  /** The lane that requests take, whatever is open: for connections that are wanted before them. */
  preferred(now: number): Lane {
    if (!this.isChoosing) return this.primary
    this.#use(now)
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
    this.#isInUse = true
    const now = clock.now()
    const { connectMs, tlsMs } = connection.handshake.timings
    if (connectMs + tlsMs > 0) this.#chooser.onHandshake(lane.name, connectMs + tlsMs, now)
    if (lane.name === 'h3') {
      this.#watchPath(lane, connection)
      this.refresh(now)
    } else this.#onTcpWorked(now)
  }

  /** A connection of another origin carries requests of this lane: nothing of the network is news by that. */
  onJoined(lane: Lane, connection: Connection): void {
    this.#isInUse = true
    if (lane.name === 'h3') this.#watchPath(lane, connection)
    this.refresh(this.#parts.clock.now())
  }

  #watchPath(lane: Lane, connection: Connection): void {
    const link = lane.connector.linkOf(connection)
    if (link === undefined) return
    this.#paths.set(connection, new Http3Path(connection, link.quic, link.alternative, this))
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
    return hedgeDelayMs(this.#parts.record, this.#parts.settings.select)
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

  /** It takes no new requests: those under way that can be sent again go over another one as well. */
  onUnresponsive(connection: Connection): void {
    this.#paths.get(connection)?.onUnresponsive()
  }

  /** Gives the connection no more exchanges, whichever lane has it. */
  retire(connection: Connection, reason: CloseReason): void {
    for (const { pool } of this.#lanes) pool.retire(connection, reason)
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
    this.#statusNews.onLook(http3, now)
    this.#eligible = candidates.flatMap(({ lane, isEligible }) => (isEligible ? [lane] : []))
    this.#run(this.#chooser.setCandidates(candidates, now))
    if (this.#isInUse && mayVerifyHttp3 && settings.select.policy !== 'efficiency')
      this.#preparation.make('h3')
  }

  /** What is to be kept of the measurements. */
  snapshotEstimates(now: number, wallNow: number): unknown {
    return this.#chooser.snapshot(now, wallNow)
  }

  /** Makes it, if it is not there. The primary one when it cannot be made any more. */
  named(name: LaneName): Lane {
    return this.#lanes.named(name)
  }

  [Symbol.iterator](): Iterator<Lane> {
    return this.#lanes[Symbol.iterator]()
  }

  // TrialHost

  onTrialReady(lane: LaneName): void {
    this.#run(this.#chooser.onTrialReady(lane, this.#parts.clock.now()))
  }

  onTrialUnavailable(lane: LaneName, because: string): void {
    this.#run(this.#chooser.onTrialUnavailable(lane, because, this.#parts.clock.now()))
  }

  // Inside

  #use(now: number): void {
    this.#isInUse = true
    this.refresh(now)
  }

  #onTcpWorked(now: number): void {
    this.#tcpWorkedAt = now
    this.#parts.record.onTcpWorked(now)
    this.refresh(now)
  }

  /**
   * What QUIC, or the kernel, has measured of the way since it was read last. The choice takes what QUIC
   * counts for the losses of the way; what the kernel counts says whether there are some over TCP, not how
   * many: one loss makes for any number of segments behind a gap.
   */
  #readPath(lane: LaneName, now: number): void {
    const reading = (this.#pathReaders[lane] ??= new PathReader()).onExchange(this.#lanes.get(lane), now)
    if (reading === undefined) return
    const { record, observer, origin } = this.#parts
    const { connection, stats, lossRatio, outOfOrderRatio } = reading
    const { rttMs } = stats
    const transport = connection.protocol === 'h3' ? 'udp' : 'tcp'
    if (rttMs > 0) record.onRoundTrip(transport, rttMs, now)
    if (transport === 'tcp') {
      // Where nothing was sent or received, nothing was seen of losses.
      const isSeen = lossRatio !== undefined || outOfOrderRatio !== undefined
      const seenRatio = isSeen ? Math.max(lossRatio ?? 0, outOfOrderRatio ?? 0) : Number.NaN
      this.#chooser.onSegments(lane, { rttMs, lossRatio: seenRatio }, now)
    }
    if (lossRatio !== undefined) {
      record.onLossRatio(transport, lossRatio, now)
      if (lane === 'h3') this.#chooser.onPath('h3', { rttMs, lossRatio }, now)
    }
    observer({ type: 'path-sampled', origin, lane, connection, stats, lossRatio })
  }

  #planColdStart(chosen: Lane): Lane | RaceLanes {
    const now = this.#parts.clock.now()
    const entrants = this.#plan(chosen, true, now, this.#chooser.decision.because)
    const way = entrants.map(entrant => ({ lane: this.named(entrant.lane), entrant }))
    const first = way[0]?.lane ?? chosen
    if (first !== chosen) this.#preparation.make(chosen.name)
    return way.length === 1 ? first : way
  }

  #plan(chosen: Lane, looksAtOpen: boolean, now: number, because: string): readonly RaceEntrant[] {
    const { record, settings } = this.#parts
    return planLanes({
      chosen: chosen.name,
      because,
      lanes: this.#eligible.map(lane => ({
        lane,
        isEligible: true,
        isOpen: looksAtOpen && (this.#lanes.get(lane)?.pool.live ?? 0) > 0,
      })),
      http3Status: record.http3(now).status,
      ...raceFigures(record),
      options: settings.select,
    })
  }

  #run(actions: readonly ChoiceAction[]): void {
    for (const action of actions) {
      if (action.type === 'prepareTrial') this.#preparation.makeForTrial(action.lane, action.connections)
      else this.#onDecided(action.decision)
    }
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
}
