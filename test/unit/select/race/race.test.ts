import { describe, expect, it } from 'vitest'
import { TransportError } from '../../../../src/base/errors.ts'
import type { LaneName } from '../../../../src/base/http/protocol.ts'
import { Race } from '../../../../src/select/race/race.ts'
import type { RaceEntrant } from '../../../../src/select/race/race-state.ts'
import { FakeClock } from '../../../../src/testing/fake-clock.ts'

const h3: RaceEntrant = { lane: 'h3', startAfterMs: 0, because: 'advertised' }
const tcp: RaceEntrant = { lane: 'tcp', startAfterMs: 80, because: 'twice the round trip' }

/** A race whose every step is written down, with its time. */
function start(...entrants: RaceEntrant[]) {
  const clock = new FakeClock()
  const log: string[] = []
  const note = (what: string) => log.push(`${clock.now() - startedAt} ${what}`)
  const startedAt = clock.now()
  const names: LaneName[] = entrants.map(({ lane }) => lane)
  const race = new Race(entrants, clock, {
    ask: entrant => note(`ask ${names[entrant]}`),
    withdraw: entrant => note(`withdraw ${names[entrant]}`),
    onWon: entrant => note(`won ${names[entrant]}`),
    onLost: error => note(`lost ${error.code}`),
  })
  race.start()
  const events = () => race.events.map(({ atMs, lane, event }) => `${atMs} ${lane} ${event}`)
  return { clock, race, log, events }
}

const refused = new TransportError('MM_CONNECT_REFUSED', 'nobody listens')
const silent = new TransportError('MM_CONNECT_TIMEOUT', 'no answer')

describe('a race of lanes', () => {
  it('is over before the second one starts, when the first is quick', () => {
    const { clock, race, log, events } = start(h3, tcp)
    clock.advance(41)
    expect(race.got(0)).toBe(true)
    clock.advance(1_000)
    expect(log).toEqual(['0 ask h3', '41 won h3'])
    expect(events()).toEqual(['0 h3 started', '41 h3 won'])
    expect(clock.pendingTimers()).toBe(0)
  })

  it('lets the second one join in time, and win', () => {
    const { clock, race, log, events } = start(h3, tcp)
    clock.advance(79)
    expect(log).toEqual(['0 ask h3'])
    clock.advance(1)
    clock.advance(60)
    race.got(1)
    expect(log).toEqual(['0 ask h3', '80 ask tcp', '140 withdraw h3', '140 won tcp'])
    expect(events()).toEqual(['0 h3 started', '80 tcp started', '140 tcp won', '140 h3 overtaken'])
  })

  it('ignores one that comes late', () => {
    const { clock, race, log } = start(h3, tcp)
    clock.advance(100)
    race.got(1)
    const before = [...log]
    clock.advance(20)
    expect(race.got(0)).toBe(false)
    race.failed(0, silent)
    expect(log).toEqual(before)
  })

  it('withdraws the second one when the first wins after all', () => {
    const { clock, race, log, events } = start(h3, tcp)
    clock.advance(90)
    race.got(0)
    expect(log).toEqual(['0 ask h3', '80 ask tcp', '90 withdraw tcp', '90 won h3'])
    expect(events()).toEqual(['0 h3 started', '80 tcp started', '90 h3 won', '90 tcp overtaken'])
  })

  it('starts the second one at once when the first has failed', () => {
    const { clock, race, log, events } = start(h3, tcp)
    clock.advance(3)
    race.failed(0, refused)
    clock.advance(30)
    race.got(1)
    expect(log).toEqual(['0 ask h3', '3 ask tcp', '33 won tcp'])
    expect(events()).toEqual(['0 h3 started', '3 h3 failed', '3 tcp started', '33 tcp won'])
    expect(clock.pendingTimers()).toBe(0)
  })

  it('goes on with the second one when the first fails in parallel', () => {
    const { clock, race, log } = start(h3, tcp)
    clock.advance(85)
    race.failed(0, silent)
    clock.advance(5)
    race.got(1)
    expect(log).toEqual(['0 ask h3', '80 ask tcp', '90 won tcp'])
  })

  it('starts both at once where both have no delay', () => {
    const { race, log } = start(h3, { ...tcp, startAfterMs: 0 })
    race.got(1)
    expect(log).toEqual(['0 ask h3', '0 ask tcp', '0 withdraw h3', '0 won tcp'])
  })

  it('is lost with the error of TCP, in whichever order they failed', () => {
    for (const [first, second] of [
      [0, 1],
      [1, 0],
    ] as const) {
      const { clock, race, log } = start(h3, { ...tcp, startAfterMs: 0 })
      clock.advance(5)
      race.failed(first, first === 1 ? refused : silent)
      clock.advance(5)
      race.failed(second, second === 1 ? refused : silent)
      expect(log).toEqual(['0 ask h3', '0 ask tcp', '10 lost MM_CONNECT_REFUSED'])
    }
  })

  it('withdraws all lanes when the request is given up, and reports nothing after', () => {
    const { clock, race, log, events } = start(h3, tcp)
    clock.advance(90)
    race.abort()
    race.got(0)
    race.failed(1, refused)
    clock.advance(500)
    expect(log).toEqual(['0 ask h3', '80 ask tcp', '90 withdraw h3', '90 withdraw tcp'])
    expect(events()).toEqual(['0 h3 started', '80 tcp started', '90 h3 overtaken', '90 tcp overtaken'])
    expect(clock.pendingTimers()).toBe(0)
  })

  it('accepts an answer that comes from within the call', () => {
    const clock = new FakeClock()
    const log: string[] = []
    const race: Race = new Race([h3, { ...tcp, startAfterMs: 0 }], clock, {
      ask: entrant => {
        log.push(`ask ${entrant}`)
        race.got(entrant)
      },
      withdraw: entrant => log.push(`withdraw ${entrant}`),
      onWon: entrant => log.push(`won ${entrant}`),
      onLost: () => log.push('lost'),
    })
    race.start()
    expect(log).toEqual(['ask 0', 'withdraw 1', 'won 0'])
    expect(clock.pendingTimers()).toBe(0)
  })

  it('runs three in their order', () => {
    const third: RaceEntrant = { lane: 'http/1.1', startAfterMs: 200, because: 'last' }
    const { clock, race, log } = start(h3, tcp, third)
    clock.advance(10)
    race.failed(0, refused)
    clock.advance(189)
    expect(log).toEqual(['0 ask h3', '10 ask tcp'])
    clock.advance(1)
    race.got(2)
    expect(log).toEqual([
      '0 ask h3',
      '10 ask tcp',
      '200 ask http/1.1',
      '200 withdraw tcp',
      '200 won http/1.1',
    ])
  })
})
