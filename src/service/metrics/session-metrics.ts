import type { Registry } from 'prom-client'
import type { SessionCounts, SessionSide, SideTraffic } from '../web-transport/session-counts.ts'
import { type Labels, registerScraped, type Sample } from './metric-types.ts'

/** The sessions with one origin. */
interface OriginSessions {
  readonly name: string
  readonly sessions: SessionCounts
}

/** Sessions of WebTransport with one origin, as `GET /pools` shows them. */
export interface SessionsPage {
  readonly origin: string
  readonly open: number
  readonly results: Readonly<Record<string, number>>
  readonly streams: Readonly<Record<SessionSide, number>>
  readonly datagrams: Readonly<Record<SessionSide, number>>
  readonly droppedDatagrams: Readonly<Record<SessionSide, number>>
  readonly bytes: Readonly<Record<SessionSide, number>>
}

/** Of origins that were asked for sessions. */
export function sessionsPage(origins: readonly OriginSessions[]): SessionsPage[] {
  return asked(origins).map(({ name, sessions: { open, results, traffic } }) => {
    const bySide = (pick: (traffic: SideTraffic) => number) => ({
      client: pick(traffic.client),
      origin: pick(traffic.origin),
    })
    return {
      origin: name,
      open,
      results: Object.fromEntries(results.entries()),
      streams: bySide(({ streams }) => streams),
      datagrams: bySide(({ datagrams }) => datagrams),
      droppedDatagrams: bySide(
        ({ unreadDatagrams, oversizedDatagrams }) => unreadDatagrams + oversizedDatagrams,
      ),
      bytes: bySide(({ bytes }) => bytes),
    }
  })
}

/** Sessions of WebTransport, by origin. */
export function registerSessionMetrics(registry: Registry, origins: () => readonly OriginSessions[]): void {
  const register = (
    type: 'counter' | 'gauge',
    name: string,
    help: string,
    samples: (sessions: SessionCounts, labels: Labels) => Sample[],
  ): void =>
    registerScraped(registry, type, name, help, () =>
      asked(origins()).flatMap(({ name: origin, sessions }) => samples(sessions, { origin })),
    )
  const registerBySide = (name: string, help: string, pick: (traffic: SideTraffic) => number): void =>
    register('counter', name, help, ({ traffic }, labels) =>
      SIDES.map(from => ({ labels: { ...labels, from }, value: pick(traffic[from]) })),
    )
  register(
    'gauge',
    'middlemile_webtransport_sessions',
    'Sessions of WebTransport between clients and an origin that are open now',
    ({ open }, labels) => [{ labels, value: open }],
  )
  register(
    'counter',
    'middlemile_webtransport_sessions_total',
    'Sessions of WebTransport that clients asked for and that are over, by what became of them',
    ({ results }, labels) =>
      Array.from(results.entries(), ([result, value]) => ({ labels: { ...labels, result }, value })),
  )
  register(
    'counter',
    'middlemile_webtransport_streams_total',
    'Streams of sessions that were carried on, by who opened them',
    ({ traffic }, labels) =>
      SIDES.flatMap(from => [
        { labels: { ...labels, from, kind: 'bidirectional' }, value: traffic[from].bidirectionalStreams },
        { labels: { ...labels, from, kind: 'unidirectional' }, value: traffic[from].unidirectionalStreams },
      ]),
  )
  registerBySide(
    'middlemile_webtransport_bytes_total',
    'Bytes of streams and datagrams of sessions, by who sent them',
    ({ bytes }) => bytes,
  )
  registerBySide(
    'middlemile_webtransport_datagrams_total',
    'Datagrams of sessions that were carried on, those that are dropped behind it included, by who sent them',
    ({ datagrams }) => datagrams,
  )
  register(
    'counter',
    'middlemile_webtransport_datagrams_dropped_total',
    'Datagrams of sessions that were dropped: unread, the other side did not keep up; oversized, they did not fit into a packet there',
    ({ traffic }, labels) =>
      SIDES.flatMap(from => [
        { labels: { ...labels, from, reason: 'unread' }, value: traffic[from].unreadDatagrams },
        { labels: { ...labels, from, reason: 'oversized' }, value: traffic[from].oversizedDatagrams },
      ]),
  )
}

const SIDES: readonly SessionSide[] = ['client', 'origin']

function asked(origins: readonly OriginSessions[]): OriginSessions[] {
  return origins.filter(
    ({ sessions: { open, results } }) => open > 0 || results.entries().next().done !== true,
  )
}
