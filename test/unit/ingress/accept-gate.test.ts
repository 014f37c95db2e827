import { EventEmitter } from 'node:events'
import type { Server, Socket } from 'node:net'
import { describe, expect, it } from 'vitest'
import type { DescriptorCalls } from '../../../src/connect/native/socket-calls.ts'
import { AcceptGate, type AcceptRoom, planAccept } from '../../../src/ingress/accept-gate.ts'
import { FakeClock } from '../../../src/testing/fake-clock.ts'
import { collectFaults, DEFECT, fail } from '../../support/collected-faults.ts'

const LISTENING_FD = 10
const COPY = 77

/** Records what is done to it. */
class FakeServer extends EventEmitter {
  _handle: { fd: number } | null = { fd: LISTENING_FD }
  readonly calls: string[] = []

  close(): void {
    this.calls.push('close')
    this._handle = null
  }

  listen({ fd }: { fd: number }): void {
    this.calls.push(`listen ${fd}`)
    this._handle = { fd }
  }
}

function setUp(room: Partial<AcceptRoom> = {}, native: Partial<DescriptorCalls> | null = {}) {
  const server = new FakeServer()
  const clock = new FakeClock(0)
  const closed: number[] = []
  const events: string[] = []
  const asked: number[] = []
  const state = { open: 0, inUse: 0, waiting: 100 as number | undefined } // as: tests set it
  const calls: DescriptorCalls | null = native && {
    duplicate: fd => (fd === LISTENING_FD || fd === COPY ? COPY : undefined),
    close: fd => void closed.push(fd),
    ...native,
  }
  const gate = new AcceptGate(
    {
      server: server as unknown as Server, // the gate uses these two calls and the handle
      room: { maxConnections: 32, maxDescriptors: 160, ...room },
      clock,
      open: () => state.open,
      makeRoom: count => void asked.push(count),
      onPaused: because => void events.push(because),
      onResumed: ms => void events.push(`resumed after ${ms}`),
    },
    { calls: () => calls ?? undefined, openDescriptors: () => state.inUse, waiting: () => state.waiting },
  )
  const accept = (fd = 20): boolean => {
    state.open += 1
    return gate.onAccepted({ _handle: { fd } } as unknown as Socket) // all that the gate reads of it
  }
  return { gate, server, clock, closed, events, asked, state, accept }
}

describe('the gate of a listener', () => {
  it('closes with the last connection that there is room for, and keeps the socket listening', () => {
    const { gate, server, events, accept } = setUp()
    for (let i = 0; i < 31; i++) expect(accept()).toBe(true)
    expect([gate.isPaused, server.calls]).toEqual([false, []])
    expect(accept()).toBe(true)
    expect([gate.isPaused, server.calls]).toEqual([true, ['close']])
    expect(events).toEqual(['32 connections are the share of this listener'])
  })

  it('opens when a share of its connections has ended, not for each', () => {
    const { gate, server, clock, events, asked, state, accept } = setUp()
    for (let i = 0; i < 32; i++) accept()
    state.open = 31
    state.waiting = 0
    clock.advance(500)
    expect(asked, 'nobody has to go while nobody waits').toEqual([1])
    state.waiting = 3
    clock.advance(500)
    expect(gate.isPaused).toBe(true)
    expect(asked.length, 'somebody was asked to end at each look').toBeGreaterThan(5)
    state.open = 30
    clock.advance(50)
    expect([gate.isPaused, server.calls]).toEqual([false, ['close', `listen ${COPY}`]])
    expect(events.at(-1)).toBe('resumed after 1050')
    expect(clock.pendingTimers()).toBe(0)
    accept()
    accept()
    expect(gate.isPaused, 'and closes again').toBe(true)
  })

  it('closes by the number of a descriptor, which shows that all below are in use, and opens by their count', () => {
    const { gate, clock, events, state, accept } = setUp({ maxConnections: Number.POSITIVE_INFINITY })
    expect(accept(159)).toBe(true)
    expect(gate.isPaused).toBe(false)
    state.inUse = 161
    expect(accept(160)).toBe(true)
    expect([gate.isPaused, ...events]).toEqual([true, '160 descriptors are in use'])
    state.inUse = 150
    clock.advance(50)
    expect(gate.isPaused).toBe(true)
    state.inUse = 149
    clock.advance(50)
    expect(gate.isPaused).toBe(false)
  })

  it.each([
    ['native calls', null],
    ['a descriptor for the copy', { duplicate: () => undefined }],
  ])('without %s refuses connections beyond its limit', (_what, native) => {
    const { gate, server, state, accept } = setUp({}, native)
    for (let i = 0; i < 32; i++) expect(accept()).toBe(true)
    expect([accept(), gate.isPaused, server.calls]).toEqual([false, false, []])
    state.open = 3
    expect(accept(160)).toBe(false)
    expect(accept(20)).toBe(true)
  })

  it('closes its copy and never listens again when the listener ends', () => {
    const { gate, server, clock, closed, state, accept } = setUp()
    for (let i = 0; i < 32; i++) accept()
    gate.end()
    gate.end()
    state.open = 0
    clock.advance(10_000)
    expect([closed, server.calls, gate.isPaused, clock.pendingTimers()]).toEqual([
      [COPY],
      ['close'],
      false,
      0,
    ])
    for (let i = 0; i < 40; i++) expect(accept()).toBe(true)
    expect(gate.isPaused).toBe(false)
  })
})

describe('a defect while the gate is closed', () => {
  it.each(['open descriptors', 'listen'] as const)('in %s leaves it to check again', where => {
    const heard = collectFaults()
    const { server, clock, events, state, accept } = setUp()
    state.open = 31
    accept()
    let isBroken = true
    const { inUse } = state
    if (where === 'open descriptors')
      Object.defineProperty(state, 'inUse', { get: () => (isBroken ? fail() : inUse) })
    else {
      const { listen } = server
      server.listen = options => (isBroken ? fail() : listen.call(server, options))
    }
    state.open = 0
    clock.advance(50)
    expect(heard()).toEqual([`looking for room for connections: ${String(DEFECT)}`])
    isBroken = false
    clock.advance(50)
    expect(events.at(-1)).toBe('resumed after 100')
    expect(server.calls.at(-1)).toBe('listen 77')
  })
})

const plan = (changes: Partial<Parameters<typeof planAccept>[0]> = {}, limit = 256) =>
  planAccept(
    {
      listeners: 1,
      maxConnections: undefined,
      defaultMaxConnections: 16_384,
      maxTotalConnections: 1_024,
      ...changes,
    },
    limit,
  )

describe('the limits of listeners', () => {
  it('are the share of clients where none is configured, and each listener has its part', () => {
    expect(plan()).toEqual({
      limit: 256,
      room: { maxConnections: 128, maxDescriptors: 224 },
      clients: 128,
      origins: 64,
    })
    expect(plan({ listeners: 3 })?.room.maxConnections).toBe(42)
    expect(plan({ listeners: 1_000 })?.room.maxConnections).toBe(1)
  })

  it('keep a configured number, and the descriptors in use say when to stop', () => {
    expect(plan({ maxConnections: 10_000 })).toMatchObject({
      room: { maxConnections: Number.POSITIVE_INFINITY, maxDescriptors: 224 },
      clients: undefined,
    })
  })

  it('keep the defaults where there are plenty of descriptors', () => {
    expect(plan({}, 1_048_576)).toMatchObject({
      room: { maxConnections: Number.POSITIVE_INFINITY },
      clients: undefined,
      origins: undefined,
    })
  })
})
