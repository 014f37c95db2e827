import { describe, expect, it } from 'vitest'
import { NO_HEADERS } from '../../../../../src/base/http/headers.ts'
import { DEFAULT_HTTP2_OPTIONS, type Http2Options } from '../../../../../src/base/options/protocol-options.ts'
import { indexedLiteral, requestBlock, responseBlock, tableSize } from '../../../../support/http2-fields.ts'
import {
  continuation,
  data,
  FLAG,
  frame,
  goaway,
  headers,
  ping,
  resetStream,
  settings,
  TYPE,
  windowUpdate,
} from '../../../../support/http2-wire.ts'
import { GET, isAlive, type Role, SessionRig } from './session-rig.ts'

const END = FLAG.END_HEADERS | FLAG.END_STREAM
const ROLES: Role[] = ['client', 'server']
type Limit = keyof Http2Options

/** One more of what a limit counts. `index` goes up from 0. */
type Act = (rig: SessionRig, index: number) => void

/** A session with stream 1 open, on which the peer may send. */
function opened(role: Role, options: Partial<Http2Options>): SessionRig {
  const rig = new SessionRig(role, { options })
  if (role === 'client') {
    rig.open(GET, false)
    rig.receive(headers(1, responseBlock()))
  } else rig.receive(headers(1, requestBlock('/', [], 'POST')))
  rig.frames()
  rig.log()
  return rig
}

const PER_SECOND = 3
/** Averaged over ten seconds. */
const BURST = PER_SECOND * 10

const FLOODS: [limit: Limit, what: string, roles: Role[], act: Act, cost?: number][] = [
  ['maxPingsPerSecond', 'PING', ROLES, rig => rig.receive(ping())],
  ['maxEmptyFramesPerSecond', 'DATA without data', ROLES, rig => rig.receive(data(1))],
  [
    'maxEmptyFramesPerSecond',
    'DATA with padding alone',
    ROLES,
    rig => rig.receive(frame(TYPE.DATA, FLAG.PADDED, 1, Buffer.from([2, 0, 0]))),
  ],
  ['maxTinyWindowUpdatesPerSecond', 'credit of 1', ROLES, rig => rig.receive(windowUpdate(0, 1))],
  [
    'maxTinyWindowUpdatesPerSecond',
    'credit of 1023 for a stream',
    ROLES,
    rig => rig.receive(windowUpdate(1, 1023)),
  ],
  ['maxIgnoredFramesPerSecond', 'unknown frames', ROLES, rig => rig.receive(frame(0xee, 0, 7))],
  [
    'maxIgnoredFramesPerSecond',
    'PRIORITY',
    ROLES,
    rig => rig.receive(frame(TYPE.PRIORITY, 0, 1, Buffer.alloc(5))),
  ],
  ['maxIgnoredFramesPerSecond', 'ALTSVC', ROLES, rig => rig.receive(frame(0xa, 0, 0, Buffer.alloc(2)))],
  ['maxIgnoredFramesPerSecond', 'ORIGIN', ROLES, rig => rig.receive(frame(0xc, 0, 0))],
  [
    'maxIgnoredFramesPerSecond',
    'acknowledgements of SETTINGS that nobody asked for',
    ROLES,
    rig => rig.receive(frame(TYPE.SETTINGS, FLAG.ACK, 0)),
  ],
  [
    'maxIgnoredFramesPerSecond',
    'answers to no PING of ours',
    ROLES,
    rig => rig.receive(ping('\0\0\0\0\0\0\0\x01', FLAG.ACK)),
  ],
  ['maxIgnoredFramesPerSecond', 'GOAWAY', ROLES, rig => rig.receive(goaway(0x7fffffff))],
  [
    'maxIgnoredFramesPerSecond',
    'changes of the size of HPACK’s table',
    ['server'],
    (rig, index) => {
      const id = 2 * index + 3
      rig.receive(headers(id, Buffer.concat([tableSize(4096), requestBlock()]), END))
      rig.streams.get(id)?.respond(200, NO_HEADERS, true)
    },
  ],
  [
    'maxIgnoredFramesPerSecond',
    'HEADERS on a stream that we have reset',
    ROLES,
    rig => {
      rig.stream(1).reset('CANCEL')
      rig.receive(headers(1, rig.role === 'client' ? responseBlock() : requestBlock()))
    },
  ],
  [
    'maxIgnoredFramesPerSecond',
    'resets of a stream that is over',
    ['client'],
    rig => {
      rig.stream(1).reset('CANCEL')
      rig.receive(resetStream(1, 'CANCEL'))
    },
  ],
  [
    'maxTinyWindowUpdatesPerSecond',
    'credit for a stream that is over',
    ROLES,
    rig => {
      rig.stream(1).reset('CANCEL')
      rig.receive(windowUpdate(1, 100_000))
    },
  ],
  [
    'maxIgnoredFramesPerSecond',
    'PRIORITY_UPDATE',
    ['server'],
    rig => rig.receive(frame(0x10, 0, 0, Buffer.from([0, 0, 0, 1]))),
  ],
  [
    'maxIgnoredFramesPerSecond',
    'resets of requests that it has answered to their end',
    ['server'],
    (rig, index) => {
      rig.receive(headers(2 * index + 3, requestBlock(), END))
      rig.stream(2 * index + 3).respond(200, NO_HEADERS, true)
      rig.receive(resetStream(2 * index + 3, 'CANCEL'))
    },
  ],
  [
    'maxResetsPerSecond',
    'requests that are reset at once (CVE-2023-44487)',
    ['server'],
    (rig, index) =>
      rig.receive(headers(2 * index + 3, requestBlock(), END), resetStream(2 * index + 3, 'CANCEL')),
  ],
  [
    'maxResetsPerSecond',
    'requests that make us reset them (CVE-2025-8671)',
    ['server'],
    (rig, index) => rig.receive(headers(2 * index + 3, requestBlock()), windowUpdate(2 * index + 3, 0)),
    5,
  ],
  [
    'maxResetsPerSecond',
    'malformed requests',
    ['server'],
    (rig, index) => rig.receive(headers(2 * index + 3, requestBlock('no slash'), END)),
    5,
  ],
  [
    'maxResetsPerSecond',
    'heads above the limit',
    ['server'],
    (rig, index) => rig.receive(headers(2 * index + 3, requestBlock('/', [['x', 'y'.repeat(16_300)]]), END)),
  ],
]

describe.each(
  FLOODS.flatMap(([limit, what, roles, act, cost = 1]) =>
    roles.map(role => ({ role, limit, what, act, cost })),
  ),
)('a $role with $limit and $what', ({ role, limit, act, cost }) => {
  it('is allowed ten seconds’ worth at once, and one more ends the connection', () => {
    const rig = opened(role, { [limit]: PER_SECOND })
    rig.now += 10_000
    for (let i = 0; i < BURST / cost; i++) act(rig, i)
    expect(rig.frames().filter(line => line.startsWith('GOAWAY'))).toEqual([])
    act(rig, BURST)
    expect(rig.frames().at(-1)).toMatch(/^GOAWAY \d+ ENHANCE_YOUR_CALM$/)
    const log = rig.log()
    expect(log.filter(line => line === `defence ${limit}`)).toHaveLength(1)
    expect(log.at(-1)).toBe('over ENHANCE_YOUR_CALM flood')
  })

  it('is allowed the rate for as long as it lasts', () => {
    const rig = opened(role, { [limit]: PER_SECOND })
    for (let i = 0; i < 10 * BURST; i++) {
      rig.now += (1000 * cost) / PER_SECOND + 0.001
      act(rig, i)
    }
    expect(isAlive(rig)).toBe(true)
  })

  it('is not limited at 0', () => {
    const rig = opened(role, { [limit]: 0 })
    for (let i = 0; i < 500; i++) act(rig, i)
    expect(isAlive(rig)).toBe(true)
  })
})

describe('maxSettingsPerSecond', () => {
  it.each(ROLES)('allows a %s ten seconds’ worth, the first of the connection included', role => {
    const rig = opened(role, { maxSettingsPerSecond: PER_SECOND })
    for (let i = 1; i < BURST; i++) rig.receive(settings())
    expect(isAlive(rig)).toBe(true)
    rig.receive(settings())
    expect(rig.frames().at(-1)).toMatch(/ENHANCE_YOUR_CALM$/)
    expect(rig.log()).toContain('defence maxSettingsPerSecond')
  })
})

describe('maxIgnoredFramesPerSecond', () => {
  it.each([
    ['ORIGIN', 0xc],
    ['ALTSVC', 0xa],
  ])('counts %s once more for each 256 bytes', (_, type) => {
    const rig = opened('client', { maxIgnoredFramesPerSecond: PER_SECOND })
    rig.receive(frame(type, 0, 0, Buffer.alloc(29 * 256)))
    expect(isAlive(rig)).toBe(true)
    rig.receive(frame(type, 0, 0))
    expect(rig.frames().at(-1)).toMatch(/ENHANCE_YOUR_CALM$/)
  })

  it.each(ROLES)('does not count the answers that a %s has asked for', role => {
    const rig = opened(role, { maxIgnoredFramesPerSecond: 1 })
    rig.receive(frame(TYPE.SETTINGS, FLAG.ACK, 0))
    for (let i = 0; i < 100; i++) {
      rig.session.ping()
      rig.receive(ping('\0\0\0\0\0\0\0\x01', FLAG.ACK))
    }
    expect(isAlive(rig)).toBe(true)
    expect(rig.log().filter(line => line === 'pong')).toHaveLength(100)
  })
})

describe('a head that goes on to insert when it is too large', () => {
  it.each(ROLES)('ends the connection of a %s', role => {
    const rig = opened(role, {})
    const insertions = Array.from({ length: 600 }, () => indexedLiteral('a', 'b'))
    rig.receive(headers(role === 'client' ? 1 : 3, Buffer.concat(insertions)))
    expect(rig.frames().at(-1)).toMatch(/^GOAWAY \d+ ENHANCE_YOUR_CALM$/)
    expect(rig.log()).toContain('defence maxHeaderCount')
  })
})

describe('maxTinyFramesPerSecond', () => {
  it.each(ROLES)(
    'allows a %s a second’s worth of single bytes at once, and what their bytes pay for',
    role => {
      const rig = opened(role, { maxTinyFramesPerSecond: 150 })
      // 159 bytes pay for nine.
      for (let i = 0; i < 159; i++) rig.receive(data(1, 'x'))
      expect(isAlive(rig)).toBe(true)
      rig.receive(data(1, 'x'))
      expect(rig.frames().at(-1)).toMatch(/^GOAWAY \d+ ENHANCE_YOUR_CALM$/)
      const log = rig.log()
      expect(log.filter(line => line === 'defence maxTinyFramesPerSecond')).toHaveLength(1)
      expect(log.at(-1)).toBe('over ENHANCE_YOUR_CALM flood')
    },
  )

  it.each(ROLES)('allows a %s the rate for as long as it lasts', role => {
    const rig = opened(role, { maxTinyFramesPerSecond: 10 })
    for (let i = 0; i < 300; i++) {
      rig.now += 100
      rig.receive(data(1, 'x'))
    }
    expect(isAlive(rig)).toBe(true)
  })

  it.each(ROLES)(
    'allows a %s messages of 16 bytes at any rate, and single bytes between large frames',
    role => {
      const rig = opened(role, { maxTinyFramesPerSecond: 1 })
      for (let i = 0; i < 1000; i++) rig.receive(data(1, Buffer.alloc(16)))
      for (let i = 0; i < 1000; i++) rig.receive(data(1, Buffer.alloc(64)), data(1, 'x'))
      expect(isAlive(rig)).toBe(true)
    },
  )

  it.each(ROLES)('is switched off by 0: %s', role => {
    const rig = opened(role, { maxTinyFramesPerSecond: 0 })
    for (let i = 0; i < 1000; i++) rig.receive(data(1, 'x'))
    expect(isAlive(rig)).toBe(true)
  })
})

describe('maxResetsPerSecond of a new client', () => {
  const giveUp = (rig: SessionRig, id: number): void =>
    rig.receive(headers(id, requestBlock(), END), resetStream(id, 'CANCEL'))
  const malform = (rig: SessionRig, id: number): void =>
    rig.receive(headers(id, requestBlock('no slash'), END))

  it.each([
    ['requests that are given up', giveUp, 300],
    ['malformed requests', malform, 60],
  ])('allows three seconds’ worth of %s at once, and no more', (_, act, most) => {
    const rig = opened('server', {})
    for (let i = 0; i < most; i++) act(rig, 2 * i + 3)
    expect(isAlive(rig)).toBe(true)
    act(rig, 2 * most + 3)
    expect(rig.frames().at(-1)).toMatch(/^GOAWAY \d+ ENHANCE_YOUR_CALM$/)
    expect(rig.log()).toContain('defence maxResetsPerSecond')
  })

  it('allows ten seconds’ worth after seven seconds, whatever the client did meanwhile within its rate', () => {
    const rig = opened('server', {})
    for (let i = 0; i < 300; i++) giveUp(rig, 2 * i + 3)
    rig.now += 10_000
    for (let i = 300; i < 1300; i++) giveUp(rig, 2 * i + 3)
    expect(isAlive(rig)).toBe(true)
    giveUp(rig, 2603)
    expect(isAlive(rig)).toBe(false)
  })

  it('lets a browser open all the streams that it may and give all of them up, twice, and answers the next', () => {
    const rig = opened('server', {})
    const open = DEFAULT_HTTP2_OPTIONS.maxConcurrentStreams - 1 // stream 1 is open
    let id = 3
    for (let turn = 0; turn < 2; turn++) {
      const from = id
      for (; id < from + 2 * open; id += 2) rig.receive(headers(id, requestBlock(), END))
      rig.now += 50
      for (let given = from; given < id; given += 2) rig.receive(resetStream(given, 'CANCEL'))
    }
    rig.frames()
    rig.receive(headers(id, requestBlock(), END))
    rig.stream(id).respond(200, NO_HEADERS, true)
    expect(rig.frames()[0]).toMatch(new RegExp(`^HEADERS ${id}\\b`))
    expect(isAlive(rig)).toBe(true)
  })

  it('is not used up five times as fast by more requests than the client may have open', () => {
    const rig = opened('server', { maxConcurrentStreams: 1 })
    for (let i = 0; i < 300; i++) rig.receive(headers(2 * i + 3, requestBlock(), END))
    expect(isAlive(rig)).toBe(true)
  })
})

describe('a peer that floods nobody', () => {
  it.each(ROLES)('may send a %s many small frames that end their streams, each', role => {
    const rig = opened(role, { maxTinyFramesPerSecond: 1, maxEmptyFramesPerSecond: 1 })
    for (let id = 3; id < 203; id += 2) {
      if (role === 'client') rig.open()
      rig.receive(headers(id, role === 'client' ? responseBlock() : requestBlock('/', [], 'POST')))
      rig.receive(data(id, id % 4 === 1 ? '' : 'x', FLAG.END_STREAM))
      if (role === 'server') rig.stream(id).respond(200, NO_HEADERS, true)
    }
    expect(isAlive(rig)).toBe(true)
  })

  it.each(ROLES)('may send a %s content of 64 bytes a frame, and credit of 1024', role => {
    const rig = opened(role, { maxTinyFramesPerSecond: 1, maxTinyWindowUpdatesPerSecond: 1 })
    for (let i = 0; i < 1000; i++) rig.receive(data(1, Buffer.alloc(64)), windowUpdate(0, 1024))
    expect(isAlive(rig)).toBe(true)
  })

  it.each(ROLES)('may send a %s many acknowledgements', role => {
    const rig = opened(role, { maxSettingsPerSecond: 1, maxPingsPerSecond: 1 })
    for (let i = 0; i < 1000; i++) {
      rig.receive(frame(TYPE.SETTINGS, FLAG.ACK, 0), frame(TYPE.PING, FLAG.ACK, 0, Buffer.alloc(8)))
    }
    rig.now += 10_000
    expect(isAlive(rig)).toBe(true)
  })

  it.each([
    ['after they were answered', false],
    ['when the whole answer has left', true],
  ])('may give up many requests at a server %s', (_, isWhole) => {
    const rig = opened('server', { maxResetsPerSecond: 1 })
    for (let id = 3; id < 203; id += 2) {
      rig.receive(headers(id, requestBlock(), END))
      rig.stream(id).respond(200, NO_HEADERS, isWhole)
      rig.receive(resetStream(id, 'CANCEL'))
    }
    expect(isAlive(rig)).toBe(true)
  })

  it('may reset the requests of a client, which asked for that', () => {
    const rig = opened('client', { maxResetsPerSecond: 1 })
    for (let id = 3; id < 203; id += 2) {
      rig.open()
      rig.receive(resetStream(id, 'REFUSED_STREAM'))
    }
    expect(isAlive(rig)).toBe(true)
  })
})

describe('maxContinuations', () => {
  const block = (role: Role): Buffer => (role === 'client' ? responseBlock() : requestBlock('/parts'))

  it.each(ROLES)('allows a %s that many, and not one more', role => {
    for (const [count, survives] of [
      [5, true],
      [6, false],
    ] as const) {
      const rig = opened(role, { maxContinuations: 5 })
      if (role === 'client') rig.open()
      rig.log()
      rig.receive(headers(3, block(role), FLAG.END_STREAM))
      for (let i = 1; i < count; i++) rig.receive(continuation(3, Buffer.alloc(0)))
      rig.receive(continuation(3, Buffer.alloc(0), FLAG.END_HEADERS))
      const log = rig.log()
      expect(log.includes('defence maxContinuations')).toBe(!survives)
      if (survives) expect(log[0]).toMatch(/^(response 3 200|request 3 GET \/parts end)$/)
      else expect(rig.frames().at(-1)).toMatch(/ENHANCE_YOUR_CALM$/)
    }
  })
})

describe('maxQueuedReplies', () => {
  const off: Partial<Http2Options> = { maxPingsPerSecond: 0, maxSettingsPerSecond: 0, maxResetsPerSecond: 0 }

  it.each<[string, Role[], Act]>([
    ['PING', ROLES, rig => rig.receive(ping())],
    ['SETTINGS', ROLES, rig => rig.receive(settings())],
    ['resets', ['server'], (rig, index) => rig.receive(headers(2 * index + 3, requestBlock('x'), END))],
  ])('bounds the answers to %s that nobody reads', (_, roles, act) => {
    for (const role of roles) {
      const rig = opened(role, { ...off, maxQueuedReplies: 50 })
      for (let i = 0; i < 50; i++) act(rig, i)
      expect(rig.log().filter(line => line.startsWith('defence'))).toEqual([])
      act(rig, 50)
      expect(rig.log()).toContain('defence maxQueuedReplies')
      expect(rig.frames().at(-1)).toMatch(/ENHANCE_YOUR_CALM$/)
    }
  })

  it.each(ROLES)('lets a %s answer as much as a peer reads', role => {
    const rig = opened(role, { ...off, maxQueuedReplies: 50 })
    for (let i = 0; i < 20; i++) {
      for (let j = 0; j < 50; j++) rig.receive(ping())
      expect(rig.frames()).toHaveLength(50)
    }
    expect(isAlive(rig)).toBe(true)
  })
})

describe('fieldBlockTimeoutMs', () => {
  it.each(ROLES)('bounds how long a %s waits for the rest of a block', role => {
    const rig = opened(role, { fieldBlockTimeoutMs: 5000 })
    rig.now = 1000
    rig.receive(headers(1, Buffer.alloc(0), 0))
    rig.now = 3000
    rig.receive(continuation(1, Buffer.alloc(0)))
    expect(rig.session.nextTimeoutAt).toBe(6000)
    rig.session.onTimeout(5999)
    expect(rig.log()).toEqual([])
    rig.session.onTimeout(6000)
    expect(rig.frames().at(-1)).toMatch(/ENHANCE_YOUR_CALM$/)
    expect(rig.log()).toContain('defence fieldBlockTimeoutMs')
  })
})

describe('every limit of HTTP/2 floods', () => {
  it('is tested in this file', () => {
    const perSecond = Object.keys(DEFAULT_HTTP2_OPTIONS).filter(name => name.endsWith('PerSecond'))
    const tested = new Set<string>([
      ...FLOODS.map(([limit]) => limit),
      'maxSettingsPerSecond',
      'maxTinyFramesPerSecond',
    ])
    expect(perSecond.filter(name => !tested.has(name))).toEqual([])
  })
})
