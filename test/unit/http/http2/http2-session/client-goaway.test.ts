import { describe, expect, it } from 'vitest'
import { NO_HEADERS } from '../../../../../src/base/http/headers.ts'
import { requestBlock } from '../../../../support/http2-fields.ts'
import { FLAG, frame, goaway, headers, TYPE } from '../../../../support/http2-wire.ts'
import { SessionRig } from './session-rig.ts'

const END = FLAG.END_HEADERS | FLAG.END_STREAM

describe('a client that sends GOAWAY (RFC 9113 6.8)', () => {
  /** A server that answers one request when it is notified of it. */
  const left = (): SessionRig => {
    const rig = new SessionRig('server')
    rig.receive(headers(1, requestBlock(), END), goaway(0))
    rig.frames()
    rig.log()
    return rig
  }
  const answer = (rig: SessionRig, id: number): void => rig.stream(id).respond(200, NO_HEADERS, true)

  it('still gets its answers, and the last one ends the session', () => {
    const rig = left()
    rig.receive(headers(3, requestBlock(), END))
    answer(rig, 1)
    answer(rig, 3)
    expect(rig.log()).toEqual([
      'request 3 GET / end',
      'closed 1',
      'closed 3',
      'ending',
      'over NO_ERROR local',
    ])
  })

  it('ends the session at once with nothing open', () => {
    const rig = new SessionRig('server')
    rig.receive(goaway(0))
    expect(rig.log()).toEqual(['goaway 0 NO_ERROR', 'ending', 'over NO_ERROR local'])
  })

  it.each(['before', 'after'])(
    '%s we drain gets the number of the last request that is answered, as others do',
    when => {
      const rig = when === 'before' ? left() : new SessionRig('server')
      if (when === 'after') rig.receive(headers(1, requestBlock(), END))
      rig.session.drain(0)
      if (when === 'after') rig.receive(goaway(0))
      const probe = rig.wire().find(({ type, flags }) => type === TYPE.PING && flags === 0)
      expect(probe).toBeDefined()
      rig.receive(frame(TYPE.PING, FLAG.ACK, 0, probe!.payload)) // it was just found
      expect(rig.frames()).toEqual(['GOAWAY 1 NO_ERROR'])
      rig.log()
      rig.receive(headers(3, requestBlock(), END))
      expect(rig.log()).toEqual([])
      answer(rig, 1)
      expect(rig.log().at(-1)).toBe('over NO_ERROR local')
    },
  )
})
