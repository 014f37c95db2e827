import { describe, expect, it } from 'vitest'
import { NO_HEADERS } from '../../../../../src/base/http/headers.ts'
import { DEFAULT_HTTP3_OPTIONS, type Http3Options } from '../../../../../src/base/options/protocol-options.ts'
import { encodeDatagram } from '../../../../../src/http/http3/frames/datagrams.ts'
import {
  data,
  FRAME,
  frame,
  requestHeaders,
  responseHeaders,
  varint,
} from '../../../../support/http3-wire.ts'
import { GET, ROLES, type Role, SessionRig } from './session-rig.ts'

/** One more of what a limit counts. `index` goes up from 0. */
type Act = (rig: SessionRig, index: number) => void

const PER_SECOND = 3
/** Averaged over ten seconds. */
const BURST = PER_SECOND * 10
const SERVER: readonly Role[] = ['server']

/** Stream 0 is open, and the peer may send on it. */
function opened(role: Role, options: Partial<Http3Options>): SessionRig {
  const rig = new SessionRig(role, { options })
  rig.quic.left.bidirectional = 10_000
  if (role === 'client') rig.open(GET, false)
  rig.receive(0, role === 'client' ? responseHeaders() : requestHeaders('/', [], 'POST'))
  // The first one is free: it is how messages end.
  rig.receive(0, data(''))
  rig.log()
  return rig
}

const idOf = (index: number): number => 4 * (index + 1)
const FLOODS: readonly [limit: keyof Http3Options, what: string, roles: readonly Role[], act: Act][] = [
  ['maxEmptyFramesPerSecond', 'DATA without data', ROLES, rig => rig.receive(0, data(''))],
  ['maxIgnoredFramesPerSecond', 'unknown frames', ROLES, rig => rig.receive(0, frame(0x21))],
  [
    'maxIgnoredFramesPerSecond',
    'unknown frames on the control stream',
    ROLES,
    rig => rig.control(frame(0x21)),
  ],
  [
    'maxIgnoredFramesPerSecond',
    'streams of unknown types',
    ROLES,
    (rig, index) => rig.receive(rig.peerOther + 4 * index, varint(0x21)),
  ],
  [
    'maxIgnoredFramesPerSecond',
    'MAX_PUSH_ID',
    SERVER,
    rig => rig.control(frame(FRAME.MAX_PUSH_ID, varint(7))),
  ],
  [
    'maxIgnoredFramesPerSecond',
    'PRIORITY_UPDATE',
    SERVER,
    rig => rig.control(frame(FRAME.PRIORITY_UPDATE, Buffer.from('\0u=1'))),
  ],
  ['maxIgnoredFramesPerSecond', 'ORIGIN', ['client'], rig => rig.control(frame(0x0c))],
  [
    'maxStrayDatagramsPerSecond',
    'datagrams of no stream',
    ROLES,
    rig => {
      rig.quic.tell({ type: 'datagram', bytes: encodeDatagram(4000, Buffer.from('x')) })
      rig.turn()
    },
  ],
  [
    'maxResetsPerSecond',
    'requests that are reset at once (CVE-2023-44487)',
    SERVER,
    (rig, index) => {
      rig.receive(idOf(index), requestHeaders('/', [], 'POST'))
      rig.quic.peerResets(idOf(index), 0x10c)
      rig.turn()
    },
  ],
  [
    'maxResetsPerSecond',
    'requests whose answer is not wanted',
    SERVER,
    (rig, index) => {
      rig.receive(idOf(index), requestHeaders(), true)
      rig.quic.peerStops(idOf(index), 0x10c)
      rig.turn()
    },
  ],
  [
    'maxResetsPerSecond',
    'requests whose answer is not wanted before they are read',
    SERVER,
    (rig, index) => {
      rig.quic.deliver(idOf(index), requestHeaders(), true)
      rig.quic.peerStops(idOf(index), 0x10c)
      rig.turn()
    },
  ],
  [
    'maxResetsPerSecond',
    'malformed requests (CVE-2025-8671)',
    SERVER,
    (rig, index) => rig.receive(idOf(index), requestHeaders('no slash'), true),
  ],
  [
    'maxResetsPerSecond',
    'requests that end before their head',
    SERVER,
    (rig, index) => rig.receive(idOf(index), Buffer.alloc(0), true),
  ],
  [
    'maxResetsPerSecond',
    'heads above the limit',
    SERVER,
    (rig, index) => rig.receive(idOf(index), frame(FRAME.HEADERS, Buffer.alloc(0), 20_000)),
  ],
]

describe.each(FLOODS.flatMap(([limit, what, roles, act]) => roles.map(role => ({ role, limit, what, act }))))(
  'a $role with $limit and $what',
  ({ role, limit, act }) => {
    it('is allowed ten seconds’ worth at once, and one more ends the connection', () => {
      const rig = opened(role, { [limit]: PER_SECOND })
      for (let i = 0; i < BURST; i++) act(rig, i)
      expect(rig.quic.closed).toBeUndefined()
      act(rig, BURST)
      expect(rig.verdict()).toBe('connection H3_EXCESSIVE_LOAD')
      const log = rig.log()
      expect(log.filter(line => line === `defence ${limit}`)).toHaveLength(1)
      expect(log.at(-1)).toBe('over H3_EXCESSIVE_LOAD flood')
    })

    it('is allowed the rate for as long as it lasts', () => {
      const rig = opened(role, { [limit]: PER_SECOND })
      for (let i = 0; i < 10 * BURST; i++) {
        rig.now += 1000 / PER_SECOND + 0.001
        act(rig, i)
      }
      expect(rig.quic.closed).toBeUndefined()
    })

    it('is not limited at 0', () => {
      const rig = opened(role, { [limit]: 0 })
      for (let i = 0; i < 500; i++) act(rig, i)
      expect(rig.quic.closed).toBeUndefined()
    })
  },
)

describe('a peer that floods nobody over HTTP/3', () => {
  it('may give up many requests at a server after they were answered', () => {
    const rig = opened('server', { maxResetsPerSecond: 1 })
    for (let i = 0; i < 200; i++) {
      rig.receive(idOf(i), requestHeaders('/', [], 'POST'))
      rig.stream(idOf(i)).respond(200, NO_HEADERS, false)
      rig.quic.peerResets(idOf(i), 0x10c)
      rig.turn()
    }
    expect(rig.quic.closed).toBeUndefined()
  })

  it('may reset the requests of a client, which asked for that', () => {
    const rig = opened('client', { maxResetsPerSecond: 1 })
    for (let i = 0; i < 200; i++) {
      rig.open()
      rig.quic.peerResets(idOf(i), 0x10b)
      rig.turn()
    }
    expect(rig.quic.closed).toBeUndefined()
  })

  it.each(ROLES)('may send a %s many messages that end with an empty DATA frame each', role => {
    const rig = opened(role, { maxEmptyFramesPerSecond: 1 })
    const head = role === 'client' ? responseHeaders() : requestHeaders('/', [], 'POST')
    for (let i = 0; i < 200; i++) {
      if (role === 'client') rig.open()
      rig.receive(idOf(i), Buffer.concat([head, data('x'), data('')]), true)
      if (role === 'server') rig.stream(idOf(i)).respond(200, NO_HEADERS, true)
    }
    expect(rig.quic.closed).toBeUndefined()
  })

  it('does not keep the engine’s own defenses from being reported', () => {
    const rig = new SessionRig('client')
    rig.quic.tell({ type: 'defence', limit: 'quic.maxSurplusBytes' })
    rig.turn()
    expect(rig.log()).toEqual(['defence quic.maxSurplusBytes'])
  })
})

describe('maxTinyFramesPerSecond', () => {
  it.each(ROLES)(
    'allows a %s a second’s worth of single bytes at once, and what their bytes pay for',
    role => {
      const rig = opened(role, { maxTinyFramesPerSecond: 150 })
      // The first of a stream is free, and 160 bytes pay for ten.
      for (let i = 0; i < 160; i++) rig.receive(0, data('x'))
      expect(rig.log().at(-1)).toBe('data 0 1')
      rig.receive(0, data('x'))
      expect(rig.log()).toEqual(expect.arrayContaining(['defence maxTinyFramesPerSecond']))
    },
  )

  it.each([
    ['messages of 16 bytes at any rate', { maxTinyFramesPerSecond: 1 }, 16],
    ['anything at 0', { maxTinyFramesPerSecond: 0 }, 1],
  ] as const)('allows %s', (_, options, bytes) => {
    const rig = opened('client', options)
    for (let i = 0; i < 1000; i++) rig.receive(0, data('x'.repeat(bytes)))
    expect(rig.bodies.get(0)).toHaveLength(1000 * bytes)
  })
})

describe('every limit of HTTP/3 floods', () => {
  it('is tested in this file', () => {
    const perSecond = Object.keys(DEFAULT_HTTP3_OPTIONS).filter(name => name.endsWith('PerSecond'))
    const tested = new Set<string>([...FLOODS.map(([limit]) => limit), 'maxTinyFramesPerSecond'])
    expect(perSecond.filter(name => !tested.has(name))).toEqual([])
  })
})
