import { describe, expect, it } from 'vitest'
import { NO_HEADERS } from '../../../../../src/base/http/headers.ts'
import { requestBlock } from '../../../../support/http2-fields.ts'
import { describeFrame, FLAG, FrameSplitter, frame, headers, TYPE } from '../../../../support/http2-wire.ts'
import { POST, SessionRig } from './session-rig.ts'

const END = FLAG.END_HEADERS | FLAG.END_STREAM
const BODY = Buffer.from('body')
const keep = (chunk: Buffer): Buffer => chunk

/** How a session ends under its streams, and what it says last. */
const ENDS: [how: string, end: (rig: SessionRig) => void, lastWords: string[]][] = [
  ['is closed', rig => rig.session.close('NO_ERROR', 'bye'), ['GOAWAY 0 NO_ERROR']],
  [
    'meets a fault of the peer’s',
    rig => rig.receive(frame(TYPE.PING, 0, 1, Buffer.alloc(8))),
    ['GOAWAY 0 PROTOCOL_ERROR'],
  ],
  ['is lost, though it may still write', rig => rig.session.abandon('the peer has ended'), []],
]

/**
 * Whoever is notified that a request was not processed sends it again at once: its first copy must not leave as
 * well.
 */
describe.each(ENDS)('a client session that %s', (_, end, lastWords) => {
  it('takes back the requests that it reports as unprocessed', () => {
    const rig = new SessionRig('client')
    const first = rig.open(POST, false)
    rig.frames()
    first.write(BODY, keep)
    for (let i = 0; i < 2; i++) {
      const next = rig.open(POST, false)
      next.write(BODY, keep)
      next.end(NO_HEADERS)
    }
    end(rig)
    expect(rig.log().filter(line => line.startsWith('reset'))).toEqual([
      expect.stringMatching(/^reset 1 \w+ session$/),
      expect.stringMatching(/^reset 3 \w+ unprocessed$/),
      expect.stringMatching(/^reset 5 \w+ unprocessed$/),
    ])
    // What was put out ahead of them leaves as ever.
    expect(rig.frames()).toEqual(['DATA 1', ...lastWords])
  })

  it('leaves output that is being written alone', () => {
    const rig = new SessionRig('client')
    rig.open()
    const inFlight = Buffer.concat(rig.session.takeOutput())
    rig.open(POST)
    end(rig)
    rig.session.releaseOutput()
    expect(new FrameSplitter().receive(inFlight).map(describeFrame)).toEqual(['HEADERS 1'])
    expect(rig.frames()).toEqual(lastWords)
    expect(rig.log()).toContainEqual(expect.stringMatching(/^reset 3 \w+ unprocessed$/))
  })

  it('loses nothing when no request waits to leave', () => {
    const rig = new SessionRig('client')
    const stream = rig.open(POST, false)
    rig.frames()
    stream.write(BODY, keep)
    end(rig)
    expect(rig.frames()).toEqual(['DATA 1', ...lastWords])
  })
})

describe('the end of a session with unsent output', () => {
  it('still sends a whole conversation when nothing has left before', () => {
    const rig = new SessionRig('client', { handshake: false })
    rig.open(POST)
    rig.session.close('NO_ERROR', 'bye')
    expect(rig.frames()).toEqual(['SETTINGS 0', 'WINDOW_UPDATE 0', 'GOAWAY 0 NO_ERROR'])
  })

  it('takes back requests over many blocks of output', () => {
    const rig = new SessionRig('client')
    for (let i = 0; i < 40; i++) rig.open(POST, false).write(Buffer.alloc(1000), keep)
    rig.session.close('NO_ERROR', 'bye')
    expect(rig.frames()).toEqual(['GOAWAY 0 NO_ERROR'])
  })

  it('takes no answer back', () => {
    const rig = new SessionRig('server')
    rig.receive(headers(1, requestBlock(), END))
    rig.stream(1).respond(200, NO_HEADERS, false)
    rig.session.close('NO_ERROR', 'bye')
    expect(rig.frames()).toEqual(['HEADERS 1', 'GOAWAY 1 NO_ERROR'])
  })
})
