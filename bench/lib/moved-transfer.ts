import { setTimeout as sleep } from 'node:timers/promises'
import type { Measurement } from '../../src/bench/results/scenario-result.ts'
import { createTransport } from '../../src/index.ts'
import { RoundTrips } from '../../src/quic/migration/path-watch.ts'
import { LinkSockets } from '../../src/quic/udp/link-sockets.ts'
import { type MovingClient, startMovingClient } from '../../test/support/moving-client.ts'
import { startTcpRelay } from '../../test/support/tcp-relay.ts'

/** What befalls a transfer of HTTP/3 in its midst. */
export interface PathIncident {
  readonly name: string
  readonly act: (client: MovingClient) => Promise<unknown>
}

export const UNDISTURBED = 'undisturbed'
export const OTHER_PORT = '(a) moved to another port'
export const OTHER_ADDRESS = '(a) moved to another address'
export const SILENT = '(d) silent both ways'

export const PATH_INCIDENTS: readonly PathIncident[] = [
  { name: UNDISTURBED, act: async () => undefined },
  { name: OTHER_PORT, act: client => client.move() },
  { name: OTHER_ADDRESS, act: client => client.move({ address: '127.0.0.2' }) },
  {
    name: '(b) moved, old socket closed',
    act: client => {
      const { sockets } = spies
      const [local] = sockets?.locals ?? []
      if (sockets === undefined || local === undefined) throw new Error('there is no socket')
      const moved = client.move()
      sockets.close(local)
      return moved
    },
  },
  {
    name: '(c) rebound twice by a NAT',
    async act({ relay }) {
      await relay.rebind()
      await sleep(400)
      await relay.rebind('127.0.0.3')
    },
  },
  { name: SILENT, act: async ({ relay }) => relay.silence() },
]

/** What the drivers keep to themselves: the sockets and the round trips of the link that was used last. */
const spies: { sockets: LinkSockets | undefined; roundTrips: RoundTrips | undefined } = spyOnLinks()

export interface TransferWork {
  readonly direction: 'download' | 'upload'
  readonly path: string
  readonly bytes: number
}

/** When it happens. */
const INCIDENT_AT = 0.4
/** Stream data come in such datagrams, acknowledgements in shorter ones. */
const DATA_DATAGRAM_BYTES = 1_000

/**
 * One transfer over a connection of its own, with the longest time in which no byte of it came to its
 * receiver since the incident.
 */
export async function measureMovedTransfer(
  server: { readonly port: number; readonly ca: string },
  work: TransferWork,
  incident: PathIncident,
  roundTripMs: number,
): Promise<Measurement> {
  await using client = await startMovingClient(server, {
    latencyMs: roundTripMs / 2,
    origin: { quic: { streamWindowBytes: WINDOW_BYTES, maxStreamWindowBytes: WINDOW_BYTES } },
  })
  const gap = new Gap()
  const receiver = work.direction === 'download' ? 'to-client' : 'to-server'
  let ptoMs = Number.NaN
  const begin = async (): Promise<void> => {
    ptoMs = spies.roundTrips?.ptoMs ?? Number.NaN
    gap.begin(performance.now())
    await incident.act(client)
  }
  client.relay.filter = (datagram, direction) => {
    // What passes arrives half a round trip later, all of it alike.
    if (direction === receiver && datagram.length >= DATA_DATAGRAM_BYTES) gap.onBytes(performance.now())
    return true
  }
  const at = [work.bytes * INCIDENT_AT, begin] as const
  const { status, bytes } =
    work.direction === 'download'
      ? await client.download(work.path, at)
      : await client.upload(work.path, work.bytes, at)
  if (status !== 200 || bytes !== work.bytes) throw new Error(`${incident.name}: ${status}, ${bytes} bytes`)
  const moves = client.reports.filter(({ outcome }) => outcome === 'moved').length
  const redials = client.reports.filter(({ outcome }) => outcome === 'redial').length
  return { gapMs: gap.longestMs, ptoMs, gapPtos: gap.longestMs / ptoMs, moves, redials }
}

/** Bounds what is under way: 40 ms of 6 MB/s, so that neither CPU is busy with it. */
export const WINDOW_BYTES = 262_144

/** The longest time between bytes since begin(), the one that begins before it included. */
class Gap {
  longestMs = 0
  #lastAt: number | undefined
  #hasBegun = false

  begin(now: number): void {
    this.#hasBegun = true
    this.longestMs = 0
    this.#lastAt ??= now
  }

  onBytes(now: number): void {
    if (this.#hasBegun && this.#lastAt !== undefined)
      this.longestMs = Math.max(this.longestMs, now - this.#lastAt)
    this.#lastAt = now
  }
}

function spyOnLinks(): { sockets: LinkSockets | undefined; roundTrips: RoundTrips | undefined } {
  const seen: { sockets: LinkSockets | undefined; roundTrips: RoundTrips | undefined } = {
    sockets: undefined,
    roundTrips: undefined,
  }
  const { add } = LinkSockets.prototype
  LinkSockets.prototype.add = function (this: LinkSockets, choice) {
    seen.sockets = this
    return add.call(this, choice)
  }
  const { onSample } = RoundTrips.prototype
  RoundTrips.prototype.onSample = function (this: RoundTrips, rttMs) {
    seen.roundTrips = this
    return onSample.call(this, rttMs)
  }
  return seen
}

/**
 * A download over HTTP/2 whose path turns silent: from the last byte until the first one of the same request
 * over a new connection, which whoever asked makes when the old one fails. With the defaults: it is the
 * HTTP/2 PING that finds it out, since a relay's kernel goes on to acknowledge.
 */
export async function measureBrokenTcp(
  origin: { readonly tlsPort: number; readonly ca: string },
  path: string,
  roundTripMs: number,
): Promise<Measurement> {
  await using relay = await startTcpRelay(origin.tlsPort, { delayMs: roundTripMs / 2 })
  await using transport = createTransport({ defaults: { protocols: ['h2'], tls: { ca: origin.ca } } })
  const url = `https://localhost:${relay.port}${path}`
  const gap = new Gap()
  let bytes = 0
  const download = async (): Promise<void> => {
    const response = await transport.request(url)
    for await (const chunk of response.body) {
      gap.onBytes(performance.now())
      bytes += (chunk as Buffer).length // no encoding was set
      if (bytes < 4_000_000 || isSilent) continue
      isSilent = true
      gap.begin(performance.now())
      relay.silence()
    }
  }
  let isSilent = false
  let failures = 0
  for (let isDone = false; !isDone; ) {
    try {
      await download()
      isDone = true
    } catch (error) {
      if (++failures > 3) throw error
    }
  }
  return { gapMs: gap.longestMs, redials: failures, moves: 0 }
}
