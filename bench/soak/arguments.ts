import { parseArgs } from 'node:util'

export interface SoakArguments {
  /** The load ends with whichever comes first; 0: no such end. */
  readonly seconds: number
  readonly requests: number
  readonly seed: number
  readonly peers: readonly PeerName[]
  /** Keeps configuration and logs there. Undefined: they go with the run. */
  readonly keep: string | undefined
  /** On a busy machine the load goes on until so many were made, for three times as long at the most. */
  readonly leastRequests: number
}

const PEER_NAMES = ['nginx', 'haproxy'] as const
type PeerName = (typeof PEER_NAMES)[number]

const DEFAULT_MINUTES = 10
const MOST_MINUTES = 24 * 60
const QUICK_SECONDS = 12
const QUICK_REQUESTS = 2_000

export const USAGE = `usage: npm run soak -- [options]
  --minutes N     how long the load lasts (default ${DEFAULT_MINUTES}, unless --requests is given)
  --requests N    ends after so many requests, all origins together
  --seed N        what requests and faults are drawn from (default 1)
  --peers LIST    the same load and faults through ${PEER_NAMES.join(', ')} as well, one after the other
  --quick         ${QUICK_SECONDS} seconds: does everything hold?
  --keep DIR      keeps configurations and logs there`

/** Throws an Error with a message for the user. */
export function parseSoakArguments(args: readonly string[]): SoakArguments {
  const { values } = parseArgs({
    args: [...args],
    options: {
      minutes: { type: 'string' },
      requests: { type: 'string' },
      seed: { type: 'string' },
      peers: { type: 'string' },
      keep: { type: 'string' },
      quick: { type: 'boolean', default: false },
    },
  })
  const minutes = positive('minutes', values.minutes)
  const requests = positive('requests', values.requests)
  if (minutes !== undefined && minutes > MOST_MINUTES) throw new Error(`--minutes is at most ${MOST_MINUTES}`)
  if (requests !== undefined && !Number.isInteger(requests))
    throw new Error('--requests must be a whole number')
  const seed = positive('seed', values.seed) ?? 1
  if (!Number.isInteger(seed)) throw new Error('--seed must be a whole number')
  const usualMinutes = requests === undefined ? DEFAULT_MINUTES : 0
  return {
    seconds: minutes !== undefined ? minutes * 60 : values.quick ? QUICK_SECONDS : usualMinutes * 60,
    requests: requests ?? 0,
    seed,
    peers: (values.peers ?? '')
      .split(',')
      .filter(name => name !== '')
      .map(peerName),
    keep: values.keep,
    leastRequests: values.quick ? QUICK_REQUESTS : 0,
  }
}

function positive(name: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined
  const value = Number(text)
  if (!(value > 0) || value === Number.POSITIVE_INFINITY)
    throw new Error(`--${name} must be a number above 0, not ${text}`)
  return value
}

function peerName(name: string): PeerName {
  const known = PEER_NAMES.find(peer => peer === name)
  if (known === undefined) throw new Error(`no peer called ${name}: ${PEER_NAMES.join(', ')}`)
  return known
}
