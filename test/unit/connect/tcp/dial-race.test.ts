import { describe, expect, it } from 'vitest'
import { TransportError } from '../../../../src/base/errors.ts'
import type { ResolvedAddress } from '../../../../src/base/http/endpoint.ts'
import {
  type DialAction,
  DialRace,
  type DialRaceOptions,
  orderAddresses,
} from '../../../../src/connect/tcp/dial-race.ts'
import { fc } from '../../../support/property.ts'

const v4 = (n: number): ResolvedAddress => ({ address: `192.0.2.${n}`, family: 4 })
const v6 = (n: number): ResolvedAddress => ({ address: `2001:db8::${n}`, family: 6 })

describe('the order of addresses', () => {
  it('alternates the families, beginning with that of the first address', () => {
    expect(orderAddresses([v6(1), v6(2), v6(3), v4(1), v4(2)])).toEqual([v6(1), v4(1), v6(2), v4(2), v6(3)])
    expect(orderAddresses([v4(1), v4(2), v6(1)])).toEqual([v4(1), v6(1), v4(2)])
  })

  it('begins with the family that is asked for', () => {
    expect(orderAddresses([v6(1), v4(1), v4(2)], { firstFamily: 4 })).toEqual([v4(1), v6(1), v4(2)])
  })

  it('begins with the other family when there is none of the one asked for', () => {
    expect(orderAddresses([v6(1), v6(2)], { firstFamily: 4 })).toEqual([v6(1), v6(2)])
  })

  it('puts as many of the first family in front as asked for (RFC 8305 First Address Family Count)', () => {
    expect(orderAddresses([v6(1), v6(2), v6(3), v4(1)], { firstFamilyCount: 2 })).toEqual([
      v6(1),
      v6(2),
      v4(1),
      v6(3),
    ])
  })

  it('drops repeated addresses, but not the same address with another port', () => {
    expect(orderAddresses([v4(1), v4(1), { ...v4(1), port: 81 }])).toEqual([v4(1), { ...v4(1), port: 81 }])
  })

  it('is empty for no addresses', () => {
    expect(orderAddresses([])).toEqual([])
  })

  it('loses none, and keeps the order within a family', () => {
    const list = fc.uniqueArray(fc.record({ n: fc.nat(50), six: fc.boolean() }), {
      selector: ({ n, six }) => `${n} ${six}`,
    })
    fc.assert(
      fc.property(list, fc.constantFrom(undefined, 4 as const, 6 as const), (entries, firstFamily) => {
        const addresses = entries.map(({ n, six }) => (six ? v6(n) : v4(n)))
        const ordered = orderAddresses(addresses, firstFamily === undefined ? {} : { firstFamily })
        for (const family of [4, 6]) {
          expect(ordered.filter(a => a.family === family)).toEqual(addresses.filter(a => a.family === family))
        }
      }),
    )
  })
})

const ENDPOINTS = ['A', 'B', 'C']

/** Runs a race, and writes down what it asks for as a test can read it: `start 1:A`, `timer 250`. */
class Recorder {
  readonly race: DialRace
  readonly #names: readonly string[]

  constructor(options: Partial<DialRaceOptions> = {}, names: readonly string[] = ENDPOINTS) {
    this.#names = names
    this.race = new DialRace({
      endpoints: names.map(endpoint => ({ endpoint, because: `place of ${endpoint}` })),
      isSecure: true,
      connectMs: 5000,
      tlsMs: 3000,
      fastOpenMs: 2000,
      attemptDelayMs: 250,
      ...options,
    })
  }

  start = (now = 0) => this.#words(this.race.onStart(now))
  connected = (attempt: number, now: number) => this.#words(this.race.onConnected(attempt, now))
  putOff = (attempt: number, now: number) => this.#words(this.race.onDeferred(attempt, now))
  usable = (attempt: number) => this.#words(this.race.onUsable(attempt))
  secured = (attempt: number) => this.#words(this.race.onSecured(attempt))
  failed = (attempt: number, now: number, error = refused('x'), offeredTicket = false) =>
    this.#words(this.race.onFailed(attempt, error, offeredTicket, now))
  timer = (now: number, offeredTicket = false) => this.#words(this.race.onTimer(now, offeredTicket))
  abort = () => this.#words(this.race.onAbort())
  records = () =>
    this.race.records.map(
      ({ attempt, endpoint, outcome, startedAt }) =>
        `${attempt}:${this.#names[endpoint]} ${outcome} (started ${startedAt})`,
    )
  failures = () => this.race.failures.map(({ code }) => code)

  #words(actions: readonly DialAction[]): string[] {
    return actions.map(action => {
      if (action.type === 'startAttempt') {
        const name = this.#names[action.endpoint]
        return `start ${action.attempt}:${name}${action.mayResume ? '' : ' fresh'}${action.mayFastOpen ? '' : ' plain'}`
      }
      if (action.type === 'cancelAttempt') return `cancel ${action.attempt}`
      if (action.type === 'setTimer') return `timer ${action.delayMs}`
      if (action.type === 'clearTimer') return 'no timer'
      if (action.type === 'purgeTickets') return 'purge'
      return action.type === 'done' ? `done ${action.attempt}` : 'fail'
    })
  }
}

const refused = (message: string) => new TransportError('MM_CONNECT_REFUSED', message)
const reset = new TransportError('MM_CONNECT_FAILED', 'reset')
const alert = new TransportError('MM_TLS_FAILED', 'alert')
const certificate = new TransportError('MM_TLS_CERTIFICATE', 'expired')
const alpn = new TransportError('MM_ALPN_MISMATCH', 'alpn')

describe('the race of a dial: TCP', () => {
  it('takes one endpoint that answers', () => {
    const run = new Recorder({ isSecure: false }, ['A'])
    expect(run.start()).toEqual(['start 1:A', 'timer 5000'])
    expect(run.connected(1, 10)).toEqual(['no timer', 'done 1'])
    expect(run.records()).toEqual(['1:A connected (started 0)'])
  })

  it('starts the next endpoint when the delay has passed, and the first that connects stops the others', () => {
    const run = new Recorder({ isSecure: false })
    expect(run.start()).toEqual(['start 1:A', 'timer 250'])
    expect(run.timer(250)).toEqual(['start 2:B', 'timer 250'])
    expect(run.timer(500)).toEqual(['start 3:C', 'timer 4500'])
    expect(run.connected(2, 510)).toEqual(['cancel 1', 'cancel 3', 'no timer', 'done 2'])
    expect(run.records()).toEqual([
      '1:A cancelled (started 0)',
      '2:B connected (started 250)',
      '3:C cancelled (started 500)',
    ])
  })

  it('starts the next endpoint at once when an attempt fails, and counts the delay from there', () => {
    const run = new Recorder()
    run.start()
    expect(run.failed(1, 20)).toEqual(['start 2:B', 'timer 250'])
    expect(run.failed(2, 30)).toEqual(['start 3:C', 'timer 5000'])
  })

  it('starts the next endpoint when an older attempt fails while a newer one is under way', () => {
    const run = new Recorder()
    run.start()
    run.timer(250)
    expect(run.failed(1, 300)).toEqual(['start 3:C', 'timer 4950'])
  })

  it('fails when the last attempt has failed, with every reason in order', () => {
    const run = new Recorder({}, ['A', 'B'])
    run.start()
    run.failed(1, 1)
    expect(run.failed(2, 2, reset)).toEqual(['no timer', 'fail'])
    expect(run.failures()).toEqual(['MM_CONNECT_REFUSED', 'MM_CONNECT_FAILED'])
    expect(run.records()).toEqual(['1:A failed (started 0)', '2:B failed (started 1)'])
  })

  it('fails at once when there is no endpoint', () => {
    expect(new Recorder({}, []).start()).toEqual(['fail'])
  })

  it('waits for the attempts that are under way when no endpoint is left', () => {
    const run = new Recorder({}, ['A', 'B'])
    run.start()
    run.timer(250)
    expect(run.failed(2, 300)).toEqual([])
    expect(run.connected(1, 400)).toEqual(['timer 3000'])
  })

  it('gives each attempt its own time to connect', () => {
    const run = new Recorder({ connectMs: 1000 }, ['A', 'B'])
    run.start()
    expect(run.timer(250)).toEqual(['start 2:B', 'timer 750'])
    expect(run.timer(1000)).toEqual(['cancel 1', 'timer 250'])
    expect(run.timer(1250)).toEqual(['cancel 2', 'fail'])
    expect(run.race.failures.map(String)).toEqual([
      'TransportError: A did not answer within 1000 ms',
      'TransportError: B did not answer within 1000 ms',
    ])
    expect(run.failures()).toEqual(['MM_CONNECT_TIMEOUT', 'MM_CONNECT_TIMEOUT'])
  })

  it('starts the next endpoint at once when an attempt timed out before the delay', () => {
    const run = new Recorder({ connectMs: 100 }, ['A', 'B'])
    expect(run.start()).toEqual(['start 1:A', 'timer 100'])
    expect(run.timer(100)).toEqual(['cancel 1', 'start 2:B', 'timer 100'])
  })

  it('has no limit with connectMs 0', () => {
    expect(new Recorder({ connectMs: 0 }, ['A']).start()).toEqual(['start 1:A'])
  })

  it('asks for the rest when a timer fires early', () => {
    const run = new Recorder()
    run.start()
    expect(run.timer(249.5)).toEqual(['timer 0.5'])
    expect(run.timer(250)).toEqual(['start 2:B', 'timer 250'])
  })

  it('ignores what is reported of attempts that are over', () => {
    const run = new Recorder({ isSecure: false }, ['A', 'B'])
    run.start()
    run.timer(250)
    run.connected(2, 260)
    expect([run.connected(1, 261), run.failed(1, 262), run.secured(2), run.timer(263), run.abort()]).toEqual([
      [],
      [],
      [],
      [],
      [],
    ])
  })
})

describe('the race of a dial: TLS', () => {
  it('lets the winner alone do the handshake', () => {
    const run = new Recorder()
    run.start()
    run.timer(250)
    expect(run.connected(2, 260)).toEqual(['cancel 1', 'timer 3000'])
    expect(run.secured(2)).toEqual(['no timer', 'done 2'])
    expect(run.records()).toEqual(['1:A cancelled (started 0)', '2:B connected (started 250)'])
  })

  it.each([
    ['certificate', certificate],
    ['ALPN', alpn],
    ['alert', alert],
  ])('does not try other endpoints after a verdict of the server: %s', (_name, error) => {
    const run = new Recorder()
    run.start()
    run.connected(1, 10)
    expect(run.failed(1, 20, error)).toEqual(['no timer', 'fail'])
  })

  it('tries the others after the path broke, those that had lost the race first in their order', () => {
    const run = new Recorder()
    run.start()
    run.timer(250)
    run.connected(2, 260)
    expect(run.failed(2, 270, reset)).toEqual(['start 3:A', 'timer 250'])
    expect(run.timer(520)).toEqual(['start 4:C', 'timer 4750'])
    expect(run.connected(4, 530)).toEqual(['cancel 3', 'timer 3000'])
    expect(run.secured(4)).toEqual(['no timer', 'done 4'])
    expect(run.records()).toEqual([
      '1:A cancelled (started 0)',
      '2:B failed (started 250)',
      '3:A cancelled (started 270)',
      '4:C connected (started 520)',
    ])
  })

  it('tries the others when the handshake takes too long', () => {
    const run = new Recorder({}, ['A', 'B'])
    run.start()
    run.connected(1, 10)
    expect(run.timer(3010)).toEqual(['cancel 1', 'start 2:B', 'timer 5000'])
    run.connected(2, 3020)
    expect(run.timer(6020)).toEqual(['cancel 2', 'fail'])
    expect(run.failures()).toEqual(['MM_TLS_TIMEOUT', 'MM_TLS_TIMEOUT'])
  })

  it('has no limit with tlsMs 0', () => {
    const run = new Recorder({ tlsMs: 0 }, ['A'])
    run.start()
    expect(run.connected(1, 10)).toEqual(['no timer'])
  })

  it.each([
    ['alert', alert],
    ['reset', reset],
  ])('tries the same endpoint once more without a ticket when a resumption failed: %s', (_name, error) => {
    const run = new Recorder({}, ['A', 'B'])
    run.start()
    run.connected(1, 10)
    expect(run.failed(1, 20, error, true)).toEqual(['purge', 'start 2:A fresh', 'timer 250'])
    run.connected(2, 30)
    expect(run.secured(2)).toEqual(['no timer', 'done 2'])
  })

  it('does so once: the second failure counts like any other', () => {
    const run = new Recorder({}, ['A', 'B'])
    run.start()
    run.connected(1, 10)
    run.failed(1, 20, reset, true)
    run.connected(2, 30)
    expect(run.failed(2, 40, reset, false)).toEqual(['start 3:B fresh', 'timer 5000'])
    run.connected(3, 50)
    expect(run.failed(3, 60, alert, false)).toEqual(['no timer', 'fail'])
  })

  it.each([
    ['certificate', certificate],
    ['ALPN', alpn],
  ])(
    'purges the tickets but does not try again when a resumption ended with a verdict: %s',
    (_name, error) => {
      const run = new Recorder()
      run.start()
      run.connected(1, 10)
      expect(run.failed(1, 20, error, true)).toEqual(['purge', 'no timer', 'fail'])
    },
  )

  it('purges the tickets when a resumption timed out', () => {
    const run = new Recorder({}, ['A'])
    run.start()
    run.connected(1, 10)
    expect(run.timer(3010, true)).toEqual(['cancel 1', 'purge', 'fail'])
  })
})

describe('the race of a dial: Fast Open', () => {
  it('lets an attempt whose connect was deferred win by its handshake', () => {
    const run = new Recorder()
    run.start()
    expect(run.putOff(1, 0)).toEqual([])
    expect(run.timer(250)).toEqual(['start 2:B', 'timer 250'])
    expect(run.secured(1)).toEqual(['cancel 2', 'no timer', 'done 1'])
    expect(run.records()).toEqual(['1:A connected (started 0)', '2:B cancelled (started 250)'])
  })

  it('lets a plain connect overtake it', () => {
    const run = new Recorder()
    run.start()
    run.putOff(1, 0)
    run.timer(250)
    expect(run.connected(2, 300)).toEqual(['cancel 1', 'timer 3000'])
    expect(run.secured(1)).toEqual([])
    expect(run.secured(2)).toEqual(['no timer', 'done 2'])
  })

  it('does not let a handshake win for an attempt that was not deferred', () => {
    const run = new Recorder()
    run.start()
    expect(run.secured(1)).toEqual([])
  })

  it('tries the same endpoint once more without it when nothing came in time', () => {
    const run = new Recorder({}, ['A'])
    run.start()
    expect(run.putOff(1, 1)).toEqual(['timer 2000'])
    expect(run.timer(2001)).toEqual(['cancel 1', 'start 2:A plain', 'timer 5000'])
    expect(run.connected(2, 2010)).toEqual(['timer 3000'])
    expect(run.secured(2)).toEqual(['no timer', 'done 2'])
    expect(run.failures()).toEqual(['MM_CONNECT_TIMEOUT'])
    expect(run.race.failures[0]?.message).toBe('A did not answer a SYN with data within 2000 ms')
    expect(run.race.records.map(({ because }) => because)).toEqual([
      'place of A',
      'once more without Fast Open',
    ])
  })

  it('goes on with those that are under way when it fails', () => {
    const run = new Recorder()
    run.start()
    run.putOff(1, 0)
    run.timer(250)
    expect(run.failed(1, 260)).toEqual(['start 3:A plain'])
    expect(run.connected(2, 270)).toEqual(['cancel 3', 'timer 3000'])
  })

  it('leaves out the ticket as well after an alert', () => {
    const run = new Recorder({}, ['A'])
    run.start()
    run.putOff(1, 0)
    expect(run.failed(1, 5, alert, true)).toEqual(['purge', 'start 2:A fresh plain', 'timer 5000'])
  })

  it('ends with the verdict of the server', () => {
    const run = new Recorder()
    run.start()
    run.putOff(1, 0)
    run.timer(250)
    expect(run.failed(1, 260, certificate)).toEqual(['cancel 2', 'no timer', 'fail'])
  })

  it('ends with a connection that can carry early data', () => {
    const run = new Recorder()
    run.start()
    run.timer(250)
    expect(run.usable(2)).toEqual(['cancel 1', 'no timer', 'done 2'])
  })
})

describe('the race of a dial: abort', () => {
  it('stops every attempt', () => {
    const run = new Recorder()
    run.start()
    run.timer(250)
    expect(run.abort()).toEqual(['cancel 1', 'cancel 2', 'no timer'])
    expect(run.records()).toEqual(['1:A cancelled (started 0)', '2:B cancelled (started 250)'])
  })

  it('stops the handshake', () => {
    const run = new Recorder()
    run.start()
    run.connected(1, 10)
    expect(run.abort()).toEqual(['cancel 1', 'no timer'])
    expect(run.secured(1)).toEqual([])
  })

  it('does nothing when it is repeated', () => {
    const run = new Recorder()
    run.start()
    run.abort()
    expect(run.abort()).toEqual([])
  })
})

describe('the race of a dial, whatever happens', () => {
  it('ends once, leaves no attempt and no timer behind, and records every attempt', () => {
    const event = fc.record({
      what: fc.constantFrom('connected', 'putOff', 'usable', 'secured', 'failed', 'timer', 'abort'),
      pick: fc.nat(9),
      error: fc.constantFrom(refused('r'), reset, alert, certificate, alpn),
      offeredTicket: fc.boolean(),
      afterMs: fc.nat(400),
    })
    fc.assert(
      fc.property(fc.array(event, { maxLength: 40 }), fc.nat(4), fc.boolean(), (events, count, isSecure) => {
        const endpoints = ENDPOINTS.concat('D').slice(0, count)
        const race = new DialRace({
          endpoints: endpoints.map(endpoint => ({ endpoint, because: '' })),
          isSecure,
          connectMs: 600,
          tlsMs: 300,
          fastOpenMs: 400,
          attemptDelayMs: 250,
        })
        const live = new Set<number>()
        let started = 0
        let ends = 0
        let isTimerSet = false
        const apply = (actions: readonly DialAction[]): void => {
          for (const action of actions) {
            expect(ends).toBe(0)
            if (action.type === 'startAttempt') {
              live.add(action.attempt)
              started++
            }
            if (action.type === 'cancelAttempt') expect(live.delete(action.attempt)).toBe(true)
            if (action.type === 'setTimer') isTimerSet = true
            if (action.type === 'clearTimer') isTimerSet = false
            if (action.type === 'done') expect(live.delete(action.attempt)).toBe(true)
            if (action.type === 'done' || action.type === 'fail') ends++
          }
        }
        let now = 0
        apply(race.onStart(now))
        for (const { what, pick, error, offeredTicket, afterMs } of events) {
          if (ends > 0) break
          now += afterMs
          const attempt = [...live][pick % live.size] ?? 0
          if (what === 'connected') apply(race.onConnected(attempt, now))
          if (what === 'putOff') apply(race.onDeferred(attempt, now))
          if (what === 'usable') apply(race.onUsable(attempt))
          if (what === 'secured') apply(race.onSecured(attempt))
          if (what === 'failed') {
            live.delete(attempt)
            apply(race.onFailed(attempt, error, offeredTicket, now))
          }
          if (what === 'timer' && isTimerSet) {
            isTimerSet = false
            apply(race.onTimer(now, offeredTicket))
          }
          if (what === 'abort') {
            apply(race.onAbort())
            break
          }
          // What is under way always has someone who ends it.
          if (ends === 0) expect(live.size > 0 && isTimerSet).toBe(true)
        }
        if (ends === 0) apply(race.onAbort())
        expect([...live]).toEqual([])
        expect(isTimerSet).toBe(false)
        expect(race.records.map(({ attempt }) => attempt)).toEqual(
          Array.from({ length: started }, (_, index) => index + 1),
        )
      }),
    )
  })
})
