import { describe, expect, it } from 'vitest'
import { DEFAULT_HTTP2_OPTIONS } from '../../../../src/base/options/protocol-options.ts'
import { InitialWindow, WindowTuner } from '../../../../src/http/http2/window-sizes.ts'
import { describeFrame, frame, SETTINGS_ACK, TYPE } from '../../../support/http2-wire.ts'
import { SessionRig } from './http2-session/session-rig.ts'

const KIB = 1024
/** A part in 64 of 1 MiB: readers stall from 16 KiB on. */
const OPTIONS = { streamWindowBytes: 64 * KIB, stalledWindowBytes: 8 * KIB, maxBufferedBytes: 1024 * KIB }
const STALL = 16 * KIB

function acknowledged(options = {}): InitialWindow {
  const window = new InitialWindow({ ...DEFAULT_HTTP2_OPTIONS, ...OPTIONS, ...options })
  window.onAcknowledged()
  return window
}

describe('the window that streams start with', () => {
  it('is narrow from the bound on, and wide again when less than half of that is held', () => {
    const window = acknowledged()
    expect(window.adjust(STALL - 1, 0)).toBe(0)
    expect(window.adjust(STALL, 0)).toBe(-56 * KIB)
    expect(window.bytes).toBe(8 * KIB)
    window.onAcknowledged()
    expect(window.adjust(STALL / 2, 5_000)).toBe(0)
    expect(window.adjust(STALL / 2 - 1, 5_000)).toBe(56 * KIB)
    expect(window.bytes).toBe(64 * KIB)
  })

  it('waits for the acknowledgement of the change before, and of the first SETTINGS', () => {
    const window = new InitialWindow({ ...DEFAULT_HTTP2_OPTIONS, ...OPTIONS })
    expect(window.adjust(STALL, 0)).toBe(0)
    window.onAcknowledged()
    expect(window.adjust(STALL, 0)).not.toBe(0)
    expect(window.adjust(0, 5_000)).toBe(0)
    window.onAcknowledged()
    expect(window.adjust(0, 5_000)).not.toBe(0)
  })

  it('stays narrow for a second, since peers count SETTINGS', () => {
    const window = acknowledged()
    window.adjust(STALL, 100)
    window.onAcknowledged()
    expect(window.adjust(0, 1_099)).toBe(0)
    expect(window.adjust(0, 1_100)).toBe(56 * KIB)
  })

  it.each([0, 64 * KIB, 128 * KIB])('never changes with stalledWindowBytes %i', stalledWindowBytes => {
    expect(acknowledged({ stalledWindowBytes }).adjust(1_000 * KIB, 0)).toBe(0)
  })
})

describe('a session whose readers stall', () => {
  const data = (id: number, bytes: number) => frame(TYPE.DATA, 0, id, Buffer.alloc(bytes))
  const head = (id: number) => frame(TYPE.HEADERS, 4, id, Buffer.of(0x88)) // :status 200
  const NARROW = Buffer.from([0, 4, 0, 0, 0x20, 0]) // initial window 8192

  function stalled(): SessionRig {
    const rig = new SessionRig('client', { options: OPTIONS })
    for (const id of [1, 3]) {
      rig.open()
      rig.receive(head(id))
    }
    rig.stream(1).pause()
    rig.frames()
    rig.receive(data(1, 16_384))
    return rig
  }

  it('narrows the windows of all streams by SETTINGS', () => {
    const settings = stalled()
      .wire()
      .filter(({ type }) => type === TYPE.SETTINGS)
    expect(settings.map(({ payload }) => payload)).toEqual([NARROW])
  })

  it('accepts what the wider window let the peer send until that has acknowledged, and no more behind it', () => {
    const rig = stalled()
    rig.receive(data(1, 16_384), data(1, 16_384), data(1, 16_384))
    expect(rig.wire().map(describeFrame).join(), 'the whole of 64 KiB').not.toContain('RST_STREAM')
    rig.receive(SETTINGS_ACK, data(1, 1))
    expect(rig.frames().join()).toContain('RST_STREAM 1 FLOW_CONTROL_ERROR')
  })

  it('keeps the window of a reader that takes what comes going, and stops that of one that stalls', () => {
    const rig = stalled()
    rig.receive(SETTINGS_ACK)
    rig.frames()
    rig.receive(data(3, 8_192))
    expect(rig.frames().join()).toContain('WINDOW_UPDATE 3')
    rig.onData = stream => stream.pause() // takes one piece, and stalls again
    rig.stream(1).resume()
    expect(rig.bodies.get(1)).not.toHaveLength(0)
    const credit = rig.wire().find(({ streamId, type }) => type === TYPE.WINDOW_UPDATE && streamId === 1)
    // 16 of its 64 KiB came, of which 56 were taken back: what it may send is what the peer has to forget
    // first.
    expect(credit?.payload.readUInt32BE(0)).toBe(16_384)
  })

  it('opens further streams with the narrow window, and widens all when everything held was taken', () => {
    const rig = stalled()
    rig.receive(SETTINGS_ACK)
    rig.open()
    rig.receive(head(5))
    rig.stream(5).pause()
    rig.receive(data(5, 8_192))
    rig.frames()
    rig.now += 2_000
    rig.stream(5).resume()
    rig.stream(1).resume()
    rig.receive(data(3, 1))
    const settings = rig.wire().filter(({ type }) => type === TYPE.SETTINGS)
    expect(settings.map(({ payload }) => payload.readUInt32BE(2))).toEqual([64 * KIB])
  })

  it('refuses more than the narrow window on a stream that was opened behind it', () => {
    const rig = stalled()
    rig.receive(SETTINGS_ACK)
    rig.open()
    rig.receive(head(5))
    rig.stream(5).pause()
    rig.frames()
    rig.receive(data(5, 8_192), data(5, 1))
    expect(rig.frames().join()).toContain('RST_STREAM 5 FLOW_CONTROL_ERROR')
  })
})

describe('WindowTuner', () => {
  it('doubles the window when a round trip fills most of it, up to the maximum', () => {
    const tuner = new WindowTuner(1000, 5000)
    let now = 0
    const targets: number[] = []
    for (let round = 0; round < 4; round++) {
      expect(tuner.wantsSample(now)).toBe(true)
      tuner.onReceived(tuner.targetBytes)
      tuner.onPong(now + 40)
      targets.push(tuner.targetBytes)
      now += 100
      if (tuner.targetBytes === 5000) break
    }
    expect(targets).toEqual([2000, 4000, 5000])
    expect(tuner.wantsSample(now + 100_000)).toBe(false)
  })

  it('does not grow when less than a third arrives, and then measures ever more rarely', () => {
    const tuner = new WindowTuner(900, 9000)
    const waits: number[] = []
    let now = 0
    for (let round = 0; round < 9; round++) {
      let waited = 0
      while (!tuner.wantsSample(now)) {
        now += 50
        waited += 50
      }
      waits.push(waited)
      tuner.onReceived(299)
      tuner.onPong(now)
    }
    expect(tuner.targetBytes).toBe(900)
    expect(waits).toEqual([0, 100, 200, 400, 800, 1600, 3200, 6400, 10_000])
  })

  it('counts only what comes while the PING is on its way, and one PING at a time', () => {
    const tuner = new WindowTuner(900, 9000)
    tuner.onReceived(100_000)
    expect(tuner.wantsSample(0)).toBe(true)
    expect(tuner.wantsSample(1000)).toBe(false)
    tuner.onPong(1000)
    tuner.onPong(1001) // one that nobody asked for
    expect(tuner.targetBytes).toBe(900)
  })

  it('treats a maximum below the initial window as the initial window', () => {
    expect(new WindowTuner(900, 100).targetBytes).toBe(900)
  })
})
