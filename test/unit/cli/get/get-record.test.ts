import { describe, expect, it } from 'vitest'
import { PHASES, phasesOf, roundedPhases } from '../../../../src/cli/get/get-record.ts'

const timings = { queueMs: 60, dnsMs: 10, connectMs: 20, tlsMs: 30, ttfbMs: 25, totalMs: 100 }

describe('the phases of an exchange', () => {
  it('follow each other, and the time of connecting is no part of the queue', () => {
    expect(phasesOf(timings, 100, 15)).toEqual({
      queue: 0,
      dns: 10,
      connect: 20,
      tls: 30,
      ttfb: 25,
      body: 15,
    })
    expect(phasesOf(timings, 130, 15)).toMatchObject({ queue: 30 })
  })

  it('count only the wait for a connection that was under way, its last steps', () => {
    expect(phasesOf({ ...timings, queueMs: 35 }, 75, 15)).toEqual({
      queue: 0,
      dns: 0,
      connect: 5,
      tls: 30,
      ttfb: 25,
      body: 15,
    })
  })

  it('are waiting alone where no connection came', () => {
    expect(phasesOf(undefined, 50, 0)).toEqual({ queue: 50, dns: 0, connect: 0, tls: 0, ttfb: 0, body: 0 })
  })

  it('still add up when they are rounded', () => {
    const phases = { queue: 0.04, dns: 0.04, connect: 0.04, tls: 0.04, ttfb: 0.04, body: 0.04 }
    const rounded = roundedPhases(phases, 0.1)
    expect(rounded.total).toBe(0.2)
    expect(PHASES.reduce((sum, phase) => sum + rounded[phase], 0)).toBeCloseTo(0.2, 9)
  })
})
