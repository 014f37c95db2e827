import { describe, expect, it } from 'vitest'
import {
  frameName,
  judgeOnControlStream,
  judgeOnRequestStream,
  type ReadState,
} from '../../../../../src/http/http3/frames/frame-table.ts'

const BAD = 'H3_FRAME_UNEXPECTED'
const NONE = 'H3_MISSING_SETTINGS'
const HTTP2 = [0x02, 0x06, 0x08, 0x09]

/**
 * RFC 9114 7.2, table 1, cell by cell: head, body, tunnel, trailers. A string is for all four, and for both
 * roles if there is one.
 */
const ON_REQUEST: readonly [type: number, client: string, server?: string][] = [
  [0x00, `${BAD} take take ${BAD}`],
  [0x01, `take take ${BAD} ${BAD}`],
  [0x03, BAD],
  [0x04, BAD],
  [0x05, 'H3_ID_ERROR', BAD],
  [0x07, BAD],
  [0x0c, 'ignore'], // RFC 9412 2
  [0x0d, BAD],
  [0xf0700, BAD],
  [0xf0701, BAD],
  [0x21, 'ignore'],
  [0x1f * 12 + 0x21, 'ignore'],
  [0x0a, 'ignore'],
  [Number.POSITIVE_INFINITY, 'ignore'],
  ...HTTP2.map(type => [type, BAD] as [number, string]),
]

/** Before SETTINGS, and after them. */
const ON_CONTROL: readonly [type: number, client: string, server: string][] = [
  [0x00, BAD, BAD],
  [0x01, BAD, BAD],
  [0x03, 'take', 'take'],
  [0x04, BAD, BAD],
  [0x05, BAD, BAD],
  [0x07, 'take', 'take'],
  [0x0c, 'take', 'ignore'],
  [0x0d, BAD, 'take'],
  [0xf0700, BAD, 'take'],
  [0xf0701, BAD, 'take'],
  [0x21, 'ignore', 'ignore'],
  [0x0a, 'ignore', 'ignore'],
  [Number.POSITIVE_INFINITY, 'ignore', 'ignore'],
  ...HTTP2.map(type => [type, BAD, BAD] as [number, string, string]),
]

const STATES: readonly ReadState[] = ['head', 'body', 'tunnel', 'trailers']

describe('on a request stream,', () => {
  it.each(ON_REQUEST)(
    'a frame of type %i has its verdict in every state',
    (type, client, server = client) => {
      for (const [role, cells] of [
        ['client', client],
        ['server', server],
      ] as const) {
        const verdicts = STATES.map(state => judgeOnRequestStream(type, state, role))
        const words = cells.split(' ')
        expect([role, ...verdicts]).toEqual([role, ...STATES.map((_, i) => words[i] ?? words[0])])
      }
    },
  )
})

describe('on a control stream,', () => {
  it.each(ON_CONTROL)('a frame of type %i has its verdict in every state', (type, client, server) => {
    expect(judgeOnControlStream(type, true, 'client')).toBe(client)
    expect(judgeOnControlStream(type, true, 'server')).toBe(server)
    const first = type === 0x04 ? 'take' : NONE
    expect(judgeOnControlStream(type, false, 'client')).toBe(first)
    expect(judgeOnControlStream(type, false, 'server')).toBe(first)
  })
})

describe('frameName', () => {
  it('is the name in the RFC, and a number for other frames', () => {
    expect([0, 4, 0xf0700, 0x21].map(frameName)).toEqual([
      'DATA',
      'SETTINGS',
      'PRIORITY_UPDATE',
      'frame 0x21',
    ])
  })
})
