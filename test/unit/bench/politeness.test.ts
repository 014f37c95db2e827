import { describe, expect, it } from 'vitest'
import { type ImpositionParts, impolite, impositionOf, POLITE_LIMITS } from '../../../src/bench/politeness.ts'

const OPEN: ImpositionParts = {
  arrival: { kind: 'open', perSecond: 20, spacing: 'poisson', maxInFlight: 8 },
  warmUp: { requests: Number.POSITIVE_INFINITY, seconds: 1 },
  measure: { requests: Number.POSITIVE_INFINITY, seconds: 3 },
  rounds: 6,
  isCold: false,
  isResumed: false,
  subjects: [
    { connections: 6, protocol: 'http/1.1' },
    { connections: 8, protocol: undefined },
    { connections: 0, protocol: 'h2' },
    { connections: 0, protocol: 'h3' },
  ],
}

describe('the load that a run puts on an origin', () => {
  it('is its rate, its most connections at once, and all its requests with warm-up and trial', () => {
    expect(impositionOf(OPEN)).toEqual({
      requestsPerSecond: 20,
      connections: 8,
      requests: 4 * (1 + 20 + 6 * 60),
    })
  })

  it('has no bound in a closed loop that only its time ends', () => {
    const closed: ImpositionParts = { ...OPEN, arrival: { kind: 'closed', concurrency: 3 } }
    expect(impositionOf(closed)).toEqual({
      requestsPerSecond: Number.POSITIVE_INFINITY,
      connections: 8,
      requests: Number.POSITIVE_INFINITY,
    })
    const ended = { ...closed, warmUp: { requests: 0, seconds: 0 }, measure: { requests: 50, seconds: 3 } }
    expect(impositionOf(ended).requests).toBe(4 * (1 + 6 * 50))
  })

  it('counts two connections for a client that chooses, and one for each request where they are cold', () => {
    const choosing = [{ connections: 0, protocol: undefined }]
    expect(impositionOf({ ...OPEN, subjects: choosing }).connections).toBe(16)
    const cold: ImpositionParts = { ...OPEN, isCold: true, subjects: [{ connections: 2, protocol: 'h2' }] }
    expect(impositionOf(cold).connections).toBe(8)
    expect(impositionOf({ ...cold, subjects: choosing }).connections).toBe(16)
  })

  it('counts those that wait for a ticket, which makes a closed loop slow', () => {
    const resumed: ImpositionParts = {
      ...OPEN,
      isCold: true,
      isResumed: true,
      subjects: [{ connections: 0, protocol: 'h2' }],
    }
    expect(impositionOf(resumed).connections).toBe(8 + 18)
    const closed: ImpositionParts = { ...resumed, arrival: { kind: 'closed', concurrency: 1 } }
    expect(impositionOf(closed)).toEqual({ requestsPerSecond: 4, connections: 1, requests: 1 + 4 + 6 * 12 })
  })

  it('counts the bursts', () => {
    const bursts: ImpositionParts = { ...OPEN, arrival: { kind: 'bursts', requests: 30, pauseMs: 1 } }
    expect(impositionOf(bursts)).toMatchObject({ connections: 30, requestsPerSecond: 30_000 })
    const slow: ImpositionParts = { ...OPEN, arrival: { kind: 'bursts', requests: 8, pauseMs: 1_000 } }
    expect(impositionOf(slow).requestsPerSecond).toBe(8)
    const endless: ImpositionParts = { ...OPEN, arrival: { kind: 'bursts', requests: 8, pauseMs: 0 } }
    expect(impositionOf(endless).requestsPerSecond).toBe(Number.POSITIVE_INFINITY)
  })
})

describe('the list of limits that a run exceeds', () => {
  it('is empty at the limits', () => {
    expect(impolite(POLITE_LIMITS)).toEqual([])
    expect(impolite(impositionOf(OPEN))).toEqual([])
  })

  it('names each figure with its limit', () => {
    expect(impolite({ requestsPerSecond: 21, connections: 9, requests: Number.POSITIVE_INFINITY })).toEqual([
      'up to 21 requests/s (limit 20)',
      'up to 9 connections (limit 8)',
      'any number of requests in all (limit 2000)',
    ])
  })
})
