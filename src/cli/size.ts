import { type Sizing, sizePool } from '../index.ts'
import type { Command } from './command.ts'
import { EXIT } from './command.ts'
import {
  countOption,
  parseOptions,
  positiveOption,
  sizingProtocolOption,
  usageError,
} from './parse-options.ts'
import { textTable } from './text-table.ts'

/** As many as a large delivery network has places. */
const FLEET_EDGES = 200

const HELP = `Usage: middlemile size --rps R --latency-ms L [options]

How many connections an origin needs by Little's law: what is under way at once
is rate x time. Over HTTP/2 and HTTP/3 one more stands by, so that the end of a
connection makes nobody wait. GET /pools shows the same of what was measured.

  --rps R               requests per second that one edge sends
  --latency-ms L        how long an exchange takes, on average
  --protocol P          http/1.1, h2 or h3; default h2 (sizing needs no
                        connection, so every protocol can be asked for)
  --headroom F          room for bursts; default 1.5
  --streams N           streams per connection; default 100 for h2 and h3, 1 for
                        http/1.1
  --edges N             how many edges send as much to the same origin; default
                        1
  --ceiling N           what the origin bears from all of them
                        (protection.maxConnections with state.redis): what each
                        edge gets of it
  --json                the same as JSON
`

export const sizeCommand: Command = {
  help: HELP,
  async run(args, io) {
    const { values, positionals } = parseOptions(args, {
      rps: { type: 'string' },
      'latency-ms': { type: 'string' },
      protocol: { type: 'string' },
      headroom: { type: 'string' },
      streams: { type: 'string' },
      edges: { type: 'string' },
      ceiling: { type: 'string' },
      json: { type: 'boolean' },
    })
    if (positionals.length > 0) throw usageError(`size takes no argument ${JSON.stringify(positionals[0])}`)
    const rps = positiveOption('rps', values.rps)
    const latencyMs = positiveOption('latency-ms', values['latency-ms'])
    if (rps === undefined || latencyMs === undefined) throw usageError('size needs --rps and --latency-ms')
    const headroom = positiveOption('headroom', values.headroom)
    const streamsPerConnection = countOption('streams', values.streams)
    const edges = countOption('edges', values.edges)
    const ceiling = countOption('ceiling', values.ceiling)
    const input = {
      rps,
      latencyMs,
      protocol: sizingProtocolOption(values.protocol) ?? 'h2',
      ...(headroom !== undefined && { headroom }),
      ...(streamsPerConnection !== undefined && { streamsPerConnection }),
      ...(edges !== undefined && { edges }),
    }
    const sizing = sizePool(input)
    const shares = ceiling === undefined ? [] : sharesOf(ceiling, sizing, [edges ?? 1, FLEET_EDGES])
    if (values.json)
      io.write(
        `${JSON.stringify({ ...input, ...sizing, ...(ceiling !== undefined && { ceiling, shares }) })}\n`,
      )
    else io.write(sizingText(input, sizing, ceiling, shares))
    return EXIT.ok
  },
}

/** What each of so many edges gets of a ceiling that all of them share, in the rules of protection. */
interface EdgeShare {
  readonly edges: number
  /** At least; 0: they take turns. */
  readonly connections: number
  /** So many edges get one more. */
  readonly oneMore: number
  readonly isEnough: boolean
}

function sharesOf(ceiling: number, { connections }: Sizing, edgeCounts: readonly number[]): EdgeShare[] {
  return [...new Set(edgeCounts)].map(edges => {
    const isEnough = connections * edges <= ceiling
    if (isEnough) return { edges, connections, oneMore: 0, isEnough }
    return { edges, connections: Math.floor(ceiling / edges), oneMore: ceiling % edges, isEnough }
  })
}

function shareText({ edges, connections, oneMore, isEnough }: EdgeShare, needed: number): string {
  const who = edges === 1 ? 'the one edge' : `each of ${edges} edges`
  if (isEnough) return `${who} gets the ${needed} that it needs`
  if (connections === 0) return `${oneMore} of ${edges} edges have one at a time, in turns`
  const more = oneMore === 0 ? '' : `, ${oneMore} of them one more`
  return `${who} gets ${connections} of the ${needed} that it needs${more}; requests beyond wait`
}

function sizingText(
  input: { rps: number; latencyMs: number; protocol: string; headroom?: number; edges?: number },
  sizing: Sizing,
  ceiling: number | undefined,
  shares: readonly EdgeShare[],
): string {
  const { concurrency, streams, connections, spare, streamsPerConnection, origin } = sizing
  const edges = input.edges ?? 1
  return textTable([
    ['protocol', input.protocol],
    ['under way at once', `${concurrency}  (${input.rps} requests/s x ${input.latencyMs} ms)`],
    ['with headroom', `${streams}`],
    ['streams per connection', `${streamsPerConnection}`],
    ['connections', `${connections}  (pool.maxConnections${spare > 0 ? `; ${spare} of them spare` : ''})`],
    [
      `the origin sees`,
      `${origin.connections} connections, ${origin.rps} requests/s from ${edges} ${edges === 1 ? 'edge' : 'edges'}`,
    ],
    [
      `from ${FLEET_EDGES} edges`,
      `${connections * FLEET_EDGES} connections, ${(origin.rps / edges) * FLEET_EDGES} requests/s`,
    ],
    ...shares.map((share, index) => [
      index === 0 ? `of a ceiling of ${ceiling}` : '',
      shareText(share, connections),
    ]),
  ])
}
