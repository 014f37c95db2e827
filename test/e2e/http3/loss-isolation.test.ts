import { describe, expect, it } from 'vitest'
import {
  createTransport,
  type OriginOptions,
  type Transport,
  type TransportEvent,
} from '../../../src/index.ts'
import { createCertificateAuthority } from '../../../src/testing/certificates.ts'
import { startHttp2Origin } from '../../../src/testing/http2-origin.ts'
import { startHttp3Origin } from '../../../src/testing/http3-origin.ts'
import { requireLossyLink, startLossyLink } from '../../support/lossy-link.ts'
import { requireQuic } from '../../support/require-quic.ts'
import { startUdpRelay } from '../../support/udp-relay.ts'

/** One way. */
const DELAY_MS = 20
const OBJECTS = 20
/** Three full packets each and a little, so that there is something to wait behind each of the full ones. */
const OBJECT_BYTES = 4_000
const RUNS = 7
/** Datagrams and segments that carry a full load of it. */
const FULL_BYTES = 1_200
/** Somewhere in the first half of the burst, in another object each time. */
const nthOf = (run: number): number => 10 + 3 * run

interface Run {
  /** Sorted: how long each object took. */
  tookMs: number[]
  stallsMs: number[]
}

interface Client extends AsyncDisposable {
  /** All objects at once, on one connection, once `arm` is done. */
  run(arm: () => unknown): Promise<Run>
}

async function startClient(url: string, options: OriginOptions): Promise<Client> {
  const stallsMs: number[] = []
  const observer = (event: TransportEvent): void => {
    if (event.type === 'exchange-ended') stallsMs.push(event.stallMs ?? 0)
  }
  // Over a way that loses, requests of HTTP/2 are spread over several connections.
  const transport: Transport = createTransport({
    defaults: { ...options, pool: { maxConnections: 1 } },
    observer,
  })
  const widen = async (): Promise<void> => {
    await (await transport.request(`${url}/bytes/600000`)).dump()
  }
  const run = async (arm: () => unknown): Promise<Run> => {
    // A loss halves the window of congestion: it has to let the whole burst out at once again.
    await widen()
    await arm()
    stallsMs.length = 0
    const startedAt = performance.now()
    const tookMs = await Promise.all(
      Array.from({ length: OBJECTS }, async () => {
        const response = await transport.request(`${url}/bytes/${OBJECT_BYTES}`)
        expect((await response.bytes()).length).toBe(OBJECT_BYTES)
        return performance.now() - startedAt
      }),
    )
    expect(transport.stats().totalConnections).toBe(1)
    return { tookMs: tookMs.toSorted((x, y) => x - y), stallsMs: stallsMs.toSorted((x, y) => x - y) }
  }
  for (let warm = 0; warm < 3; warm++) await run(() => {})
  return { run, [Symbol.asyncDispose]: () => transport.close() }
}

const median = (values: readonly number[]): number =>
  values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0

interface Comparison {
  /** The last object of a run without loss; of these the median. */
  losslessMs: number
  /** The last object but one of a run with a loss; likewise. */
  othersMs: number
  /** The last object of a run with a loss; likewise. */
  lastMs: number
  /** How many objects came later than half a round trip after that; likewise. */
  late: number
  /** The longest stall of all runs with a loss. */
  stallMs: number
  /** The second longest stall of a run with a loss; the median. */
  otherStallMs: number
}

/** Runs without loss and with one lost packet take turns, so that both see the same weather. */
async function compare(client: Client, drop: (nth: number) => unknown): Promise<Comparison> {
  const lossless: Run[] = []
  const lossy: Run[] = []
  for (let run = 0; run < RUNS; run++) {
    lossless.push(await client.run(() => {}))
    lossy.push(await client.run(() => drop(nthOf(run))))
  }
  const losslessMs = median(lossless.map(({ tookMs }) => tookMs.at(-1) ?? 0))
  return {
    losslessMs,
    othersMs: median(lossy.map(({ tookMs }) => tookMs.at(-2) ?? 0)),
    lastMs: median(lossy.map(({ tookMs }) => tookMs.at(-1) ?? 0)),
    late: median(lossy.map(({ tookMs }) => tookMs.filter(ms => ms > losslessMs + DELAY_MS).length)),
    stallMs: Math.max(...lossy.map(({ stallsMs }) => stallsMs.at(-1) ?? 0)),
    otherStallMs: median(lossy.map(({ stallsMs }) => stallsMs.at(-2) ?? 0)),
  }
}

describe('of twenty objects at once, 40 ms away, with one lost packet,', () => {
  it('one over HTTP/3 waits for it, and the other nineteen do not', { retry: 2 }, async ctx => {
    const missing = requireQuic()
    ctx.skip(missing !== undefined, missing)
    const tls = await (await createCertificateAuthority()).issue({ names: ['localhost'] })
    const origin = await startHttp3Origin({ tls })
    await using relay = await startUdpRelay(origin.port, { conditions: { latencyMs: DELAY_MS } })
    await using client = await startClient(`https://localhost:${relay.port}`, {
      protocols: ['h3'],
      tls: { ca: tls.ca },
    })
    const seen = await compare(client, nth => {
      let left = nth
      relay.filter = (datagram, direction) =>
        direction === 'to-server' || datagram.length < FULL_BYTES || --left !== 0
    })
    expect(relay.counts['to-client'].dropped).toBe(RUNS)
    // A stream that waited for the lost packet would be late by a round trip at least: half of one is room
    // for a busy machine.
    expect(seen.othersMs, JSON.stringify(seen)).toBeLessThan(seen.losslessMs + DELAY_MS)
    expect(seen.lastMs).toBeGreaterThan(seen.losslessMs + DELAY_MS)
    expect(seen.late).toBe(1)
    expect(seen.stallMs).toBeGreaterThan(DELAY_MS)
    expect(seen.otherStallMs).toBe(0)
    await origin.close()
  })

  it('those behind it over HTTP/2 wait as well', { retry: 2 }, async ctx => {
    const missing = requireLossyLink()
    ctx.skip(missing !== undefined, missing)
    const tls = await (await createCertificateAuthority()).issue({ names: ['localhost'] })
    const origin = await startHttp2Origin({ tls })
    await using link = await startLossyLink(DELAY_MS)
    const port = await link.open(origin.port)
    await using client = await startClient(`https://localhost:${port}`, {
      protocols: ['h2'],
      tls: { ca: tls.ca },
    })
    const seen = await compare(client, nth => link.dropNth('to-client', nth, FULL_BYTES))
    expect((await link.counts()).lost).toBe(RUNS)
    expect(seen.late, JSON.stringify(seen)).toBeGreaterThan(5)
    expect(seen.othersMs).toBeGreaterThan(seen.losslessMs + DELAY_MS)
    await origin.close()
  })
})
