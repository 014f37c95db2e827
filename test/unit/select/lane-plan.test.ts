import { describe, expect, it } from 'vitest'
import type { LaneName } from '../../../src/base/http/protocol.ts'
import { type LanePlanInput, planLanes } from '../../../src/select/lane-plan.ts'

function input(changes: Partial<LanePlanInput> & { open?: readonly LaneName[] } = {}): LanePlanInput {
  const { open = [], ...rest } = changes
  return {
    chosen: 'h3',
    because: 'advertised',
    lanes: (['h3', 'tcp'] as const).map(lane => ({ lane, isEligible: true, isOpen: open.includes(lane) })),
    http3Status: 'confirmed',
    http3RoundTripMs: 40,
    http3HandshakeMs: undefined,
    tcpHandshakeMs: undefined,
    options: { policy: 'auto', joinDelayMinMs: 20, joinDelayMaxMs: 250 },
    ...rest,
  }
}

const shape = (plan: ReturnType<typeof planLanes>) =>
  plan.map(({ lane, startAfterMs }) => `${lane} ${startAfterMs}`)

describe('the lanes that a request asks', () => {
  it.each([
    ['1: the chosen one is open', input({ open: ['h3', 'tcp'] }), ['h3 0']],
    ['2: another one is open', input({ open: ['tcp'] }), ['tcp 0']],
    ['2: HTTP/3 is open and TCP chosen', input({ chosen: 'tcp', open: ['h3'] }), ['h3 0']],
    ['3: nothing else', input({ lanes: [{ lane: 'h3', isEligible: true, isOpen: false }] }), ['h3 0']],
    [
      '4: HTTP/3 has the shorter handshake',
      input({ chosen: 'tcp', http3HandshakeMs: 42, tcpHandshakeMs: 85 }),
      ['h3 0', 'tcp 80'],
    ],
    [
      '4: hardly shorter',
      input({ chosen: 'tcp', http3HandshakeMs: 42, tcpHandshakeMs: 51 }),
      ['tcp 0', 'h3 250'],
    ],
    [
      '4: not confirmed',
      input({ chosen: 'tcp', http3Status: 'pending', http3HandshakeMs: 42, tcpHandshakeMs: 85 }),
      ['tcp 0'],
    ],
    [
      '4: CPU counts',
      input({
        chosen: 'tcp',
        http3HandshakeMs: 42,
        tcpHandshakeMs: 85,
        options: { policy: 'efficiency', joinDelayMinMs: 20, joinDelayMaxMs: 250 },
      }),
      ['tcp 0', 'h3 250'],
    ],
    ['5: HTTP/3 first, TCP after twice its round trip', input(), ['h3 0', 'tcp 80']],
    ['5: not sooner than allowed', input({ http3RoundTripMs: 0.3 }), ['h3 0', 'tcp 20']],
    ['5: not later than allowed', input({ http3RoundTripMs: 900 }), ['h3 0', 'tcp 250']],
    ['5: nothing remembered', input({ http3RoundTripMs: undefined }), ['h3 0', 'tcp 250']],
    ['5: failed recently', input({ http3Status: 'failedRecently' }), ['h3 0', 'tcp 0']],
    ['6: TCP first, confirmed HTTP/3 behind it', input({ chosen: 'tcp' }), ['tcp 0', 'h3 250']],
    [
      '6: HTTP/3 that nobody has tried stays out',
      input({ chosen: 'tcp', http3Status: 'pending' }),
      ['tcp 0'],
    ],
    ['6: and so does one that failed', input({ chosen: 'tcp', http3Status: 'failedRecently' }), ['tcp 0']],
  ])('follow rule %s', (_rule, given, expected) => {
    expect(shape(planLanes(given))).toEqual(expected)
  })

  it('leave out what is not eligible', () => {
    const lanes = [
      { lane: 'h3', isEligible: false, isOpen: true },
      { lane: 'tcp', isEligible: true, isOpen: false },
    ] as const
    expect(shape(planLanes(input({ chosen: 'tcp', lanes })))).toEqual(['tcp 0'])
  })

  it('have a reason, with the figures', () => {
    const [first, second] = planLanes(input())
    expect(first?.because).toBe('advertised')
    expect(second?.because).toBe('if HTTP/3 is not connected after 80 ms (its round trip took 40.0 ms)')
    const [open] = planLanes(input({ open: ['tcp'] }))
    expect(open?.because).toBe('a connection stands open, and h3 would have to shake hands')
  })
})
