import { describe, expect, it } from 'vitest'
import { phasesOf } from '../../../../src/bench/clients/middlemile.ts'

describe('the time of an exchange', () => {
  it('is split into the way to its connection, the wait for the answer, and the body', () => {
    const handshake = { dnsMs: 1, connectMs: 20, tlsMs: 30 }
    expect(phasesOf({ queueMs: 55, ttfbMs: 25, totalMs: 100, handshake })).toEqual([
      { name: 'queue', startMs: 0, endMs: 4 },
      { name: 'dns', startMs: 4, endMs: 5 },
      { name: 'connect', startMs: 5, endMs: 25 },
      { name: 'tls', startMs: 25, endMs: 55 },
      { name: 'waiting', startMs: 55, endMs: 80 },
      { name: 'body', startMs: 80, endMs: 100 },
    ])
  })

  it('contains no handshake where the connection was open', () => {
    expect(phasesOf({ queueMs: 0, ttfbMs: 25, totalMs: 30, handshake: undefined })).toEqual([
      { name: 'waiting', startMs: 0, endMs: 25 },
      { name: 'body', startMs: 25, endMs: 30 },
    ])
  })

  it('contains of a handshake that began before the request only what the request waited for', () => {
    const handshake = { dnsMs: 5, connectMs: 20, tlsMs: 30 }
    expect(phasesOf({ queueMs: 40, ttfbMs: 0, totalMs: 40, handshake })).toEqual([
      { name: 'connect', startMs: 0, endMs: 10 },
      { name: 'tls', startMs: 10, endMs: 40 },
    ])
  })

  it('has no phase that lasts longer than all of it', () => {
    const phases = phasesOf({ queueMs: 0, ttfbMs: 31, totalMs: 30, handshake: undefined })
    expect(phases).toEqual([{ name: 'waiting', startMs: 0, endMs: 30 }])
  })
})
