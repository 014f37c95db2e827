/**
 * The nine origins of the soak, and names that lead nowhere: which fault each has, who asks it, and what its
 * fault may cost.
 */

export type OriginName =
  | 'healthy'
  | 'closing'
  | 'short-keepalive'
  | 'reloaded'
  | 'killed'
  | 'http3'
  | 'slow'
  | 'faulty'
  | 'endpoints'
  | 'hanging'

export interface PlannedOrigin {
  readonly name: OriginName
  /** What its clients put into Host: proxies route by it. */
  readonly hosts: readonly string[]
  /** What is wrong with it, for the report. */
  readonly fault: string
  /**
   * Clients with a connection of HTTP/1.1 each, and streams that share connections of HTTP/2. Each makes one
   * request at a time.
   */
  readonly http1Clients: number
  readonly http2Streams: number
  /** How many of its requests carry a body: POST, and half as many PUT. */
  readonly postShare: number
  /** How many of its clients' requests are followed by a pause of up to `pauseMs`. */
  readonly pauseShare: number
  readonly pauseMs: number
  /** How many of its answers are read slowly. */
  readonly slowReaderShare: number
  /**
   * The share of requests with a body that may fail since the origin closed the connection under them: such a
   * request is not repeated, as its body is gone and, with POST, as the origin may have acted on it. 0: it
   * closes none without a word.
   */
  readonly lostWriteShare: number
  /** Of an origin that is not there at times: how long after its return a request may still fail. */
  readonly downSlackMs: number
}

const USUAL = {
  http1Clients: 8,
  http2Streams: 4,
  postShare: 0.14,
  pauseShare: 0.05,
  pauseMs: 20,
  slowReaderShare: 0.002,
  lostWriteShare: 0,
  downSlackMs: 0,
} as const

export const SOAK_ORIGINS: readonly PlannedOrigin[] = [
  { ...USUAL, name: 'healthy', hosts: ['healthy.soak.test'], fault: 'none: nginx over TLS, the reference' },
  {
    ...USUAL,
    name: 'closing',
    hosts: ['closing.soak.test'],
    fault:
      'closes connections at random: idle, behind the answer, new ones without a byte, requests unanswered',
    // 2 of 100 new connections are closed at once, and nearly each answer is followed by a close within a
    // second.
    lostWriteShare: 0.02,
  },
  {
    ...USUAL,
    name: 'short-keepalive',
    hosts: ['short-keepalive.soak.test'],
    fault: 'closes connections that were idle for 50 ms',
    pauseShare: 0.3,
    pauseMs: 120,
    // A bound that we set. nginx as the proxy lost 7 of 1,000 in one run beside other work, haproxy none: it
    // repeats them.
    lostWriteShare: 0.002,
  },
  {
    ...USUAL,
    name: 'reloaded',
    hosts: ['reloaded.soak.test'],
    fault: 'nginx with HTTP/2, 200 requests a connection, reloaded every few seconds',
    // A reload ends idle connections of HTTP/1.1 without a word.
    lostWriteShare: 0.002,
  },
  {
    ...USUAL,
    name: 'killed',
    hosts: ['killed.soak.test'],
    fault: 'killed (SIGKILL) and started again',
    downSlackMs: 1_000,
  },
  {
    ...USUAL,
    name: 'http3',
    hosts: ['http3.soak.test'],
    fault: 'HTTP/3, killed and started again without a word (no stateless reset)',
    downSlackMs: 2_000,
  },
  {
    ...USUAL,
    name: 'slow',
    hosts: ['slow.soak.test'],
    fault: 'answers late, or in drips; a fifth of its clients read slowly',
    slowReaderShare: 0.2,
  },
  {
    ...USUAL,
    name: 'faulty',
    hosts: ['faulty.soak.test'],
    fault: '2 of 100 answers are malformed, truncated or reset in the middle of the body',
  },
  {
    ...USUAL,
    name: 'endpoints',
    hosts: ['endpoints.soak.test'],
    fault: 'a good endpoint, one that drops SYNs, and one that refuses',
  },
]

/** As many as libuv has threads that look names up: they could keep everybody else from it. */
export const HANGING_NAMES: PlannedOrigin = {
  ...USUAL,
  name: 'hanging',
  hosts: [1, 2, 3, 4].map(number => `hanging-${number}.soak.test`),
  fault: 'four names whose lookup is never answered',
  http2Streams: 0,
  pauseShare: 1,
  pauseMs: 2_000,
  slowReaderShare: 0,
}

export function plannedOrigin(name: OriginName): PlannedOrigin {
  const found = [...SOAK_ORIGINS, HANGING_NAMES].find(origin => origin.name === name)
  if (found === undefined) throw new Error(`no origin of the soak is called ${name}`)
  return found
}

/** Sizes of answers and of request bodies, with their shares. */
export const ANSWER_SIZES: readonly (readonly [bytes: number, share: number])[] = [
  [1_024, 0.8],
  [10_240, 0.17],
  [102_400, 0.028],
  [1_048_576, 0.002],
]
export const REQUEST_SIZES: readonly (readonly [bytes: number, share: number])[] = [
  [200, 0.7],
  [4_096, 0.25],
  [65_536, 0.05],
]
