import { describe, expect, it } from 'vitest'
import { Slot, type SlotKind, type SlotState } from '../../../src/pool/slot.ts'

const STATES: Record<SlotKind, SlotState> = {
  starting: { kind: 'starting', round: 0 },
  idle: { kind: 'idle', since: 0 },
  verifying: { kind: 'verifying', deadline: 1 },
  leased: { kind: 'leased', usedStreams: 1 },
  draining: { kind: 'draining', usedStreams: 1, reason: 'max-age', by: 'pool' },
  closing: { kind: 'closing', reason: 'shutdown' },
  closed: { kind: 'closed' },
}

/** How to get there from `starting`. */
const WAY: Record<SlotKind, SlotKind[]> = {
  starting: [],
  idle: ['idle'],
  verifying: ['idle', 'verifying'],
  leased: ['idle', 'leased'],
  draining: ['idle', 'leased', 'draining'],
  closing: ['closing'],
  closed: ['closed'],
}

const VALID: Record<SlotKind, SlotKind[]> = {
  starting: ['idle', 'closing', 'closed'],
  idle: ['idle', 'leased', 'verifying', 'draining', 'closing', 'closed'],
  verifying: ['idle', 'draining', 'closing', 'closed'],
  leased: ['leased', 'idle', 'draining', 'closing', 'closed'],
  draining: ['draining', 'closing', 'closed'],
  closing: ['closed'],
  closed: [],
}

const KINDS = Object.keys(STATES) as SlotKind[]

function slotIn(kind: SlotKind): Slot<undefined> {
  const slot = new Slot<undefined>(1, 0)
  for (const step of WAY[kind]) slot.transition(STATES[step])
  return slot
}

describe('a slot of a pool', () => {
  it.each(KINDS.flatMap(from => KINDS.map(to => [from, to] as const)))(
    'goes from %s to %s if the table allows it, and throws otherwise',
    (from, to) => {
      const slot = slotIn(from)
      if (VALID[from].includes(to)) {
        slot.transition(STATES[to])
        expect(slot.state.kind).toBe(to)
      } else {
        expect(() => slot.transition(STATES[to])).toThrow(/illegal transition of #1 .* to/)
        expect(slot.state.kind).toBe(from)
      }
    },
  )

  it('counts streams while it carries exchanges', () => {
    expect(slotIn('leased').usedStreams).toBe(1)
    expect(slotIn('draining').usedStreams).toBe(1)
    expect(slotIn('idle').usedStreams).toBe(0)
  })

  it('accepts exchanges until it is closed or drains by itself', () => {
    expect(KINDS.filter(kind => slotIn(kind).isUsable)).toEqual(['idle', 'verifying', 'leased', 'draining'])
    const slot = slotIn('leased')
    slot.transition({ kind: 'draining', usedStreams: 1, reason: 'peer-closed', by: 'connection' })
    expect(slot.isUsable).toBe(false)
  })

  it('prints itself in a line', () => {
    expect(slotIn('starting').toString()).toBe('#1 starting')
    const slot = slotIn('leased')
    for (let lease = 0; lease < 12; lease += 1) slot.onLeased()
    slot.streamLimit = 100
    expect(slot.toString()).toBe('#1 leased 1/100, 12 requests')
  })
})
