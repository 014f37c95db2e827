import { describe, expect, it } from 'vitest'
import { MigrationRecorder } from './migration-recorder.ts'

describe('a forced migration from a path that lives', () => {
  it('validates, migrates, keeps the old socket for retiredPaths, and closes it', () => {
    const run = new MigrationRecorder()
    expect(run.forced(0)).toEqual(['open 1', 'timer 1000'])
    expect(run.opened(1, 'B', 1)).toEqual(['validate B', 'timer 100'])
    expect(run.validated('B', 41)).toEqual(['migrate B', 'ping', 'timer 100'])
    expect(run.at).toBe('moved B')
    expect(run.received('A', 50)).toEqual([])
    expect(run.received('B', 81)).toEqual(['report forced moved A>B for 1', 'timer 300'])
    expect([run.at, run.received('A', 82), run.received('B', 83)]).toEqual(['arriving B', [], []])
    expect(run.timer(381)).toEqual(['close A'])
    expect(run.at).toBe('settled B')
  })

  it('is reported once bytes have arrived, with the longest gap', () => {
    const run = new MigrationRecorder()
    run.progress(0)
    run.forced(5)
    run.opened(1, 'B', 6)
    run.progress(30)
    run.validated('B', 46)
    run.progress(50)
    expect(run.received('B', 90)).toEqual(['timer 300'])
    expect(run.progress(95)).toEqual(['report forced moved A>B gap 45 for 1'])
    expect(run.progress(300)).toEqual([])
  })

  it('is reported without bytes when the last exchange ends, or at the end of the time for retiredPaths', () => {
    for (const [ending, actions] of [
      [(run: MigrationRecorder) => run.idle(100), ['report forced moved A>B gap 100 for 1']],
      [(run: MigrationRecorder) => run.timer(390), ['report forced moved A>B gap 390 for 1', 'close A']],
    ] as const) {
      const run = new MigrationRecorder()
      run.progress(0)
      run.forced(0)
      run.opened(1, 'B', 1)
      run.validated('B', 41)
      run.received('B', 90)
      expect(ending(run)).toEqual(actions)
    }
  })

  it('goes to the address and port that were asked for', () => {
    const run = new MigrationRecorder()
    expect(run.forced(0, 1, { address: '127.0.0.2', port: 9 })).toEqual(['open 1 127.0.0.2:9', 'timer 1000'])
  })

  it('takes a packet over the new path as the answer, since quiche reports a validation once per path', () => {
    const run = new MigrationRecorder()
    run.forced(0)
    run.opened(1, 'B', 0)
    expect(run.received('A', 10)).toEqual([])
    expect(run.received('B', 40)).toEqual(['migrate B', 'ping', 'timer 100'])
  })

  it('repeats challenge and ping, which may be lost', () => {
    const run = new MigrationRecorder()
    run.forced(0)
    run.opened(1, 'B', 0)
    expect(run.timer(100)).toEqual(['validate B', 'timer 100'])
    expect(run.timer(200)).toEqual(['validate B', 'timer 100'])
    run.validated('B', 240)
    expect(run.timer(340)).toEqual(['ping', 'timer 100'])
    expect(run.received('B', 380)).toEqual(['report forced moved A>B for 1', 'timer 300'])
  })

  it.each([
    ['in time', (run: MigrationRecorder) => run.timer(300), []],
    ['by the word of the engine', (run: MigrationRecorder) => run.invalid('B', 299), ['no timer']],
    ['since its socket failed', (run: MigrationRecorder) => run.gone('B', 299), ['no timer']],
  ])('keeps the old path when the new one is not validated: %s', (_how, end, timer) => {
    const run = new MigrationRecorder()
    run.forced(0)
    run.opened(1, 'B', 0)
    expect(end(run)).toEqual(['close B', 'report forced validation-failed A>B for 1', ...timer])
    expect(run.at).toBe('settled A')
  })

  it.each([
    ['failed', (run: MigrationRecorder) => run.openFailed(1, 5), ['no timer']],
    ['came not at all', (run: MigrationRecorder) => run.timer(1000), []],
  ])('keeps the old path when the socket %s, and closes one that comes late', (_how, end, timer) => {
    const run = new MigrationRecorder()
    run.forced(0)
    expect(end(run)).toEqual(['report forced refused A>- for 1', ...timer])
    expect(run.opened(1, 'B', 2000)).toEqual(['close B'])
    expect(run.at).toBe('settled A')
  })

  it('waits for 250 ms at least, however short the round trip', () => {
    const run = new MigrationRecorder()
    run.ptoMs = 1
    run.forced(0)
    expect(run.opened(1, 'B', 0)).toEqual(['validate B', 'timer 20'])
    expect(run.timer(249)).toEqual(['validate B', 'timer 1'])
    expect(run.timer(250).at(0)).toBe('close B')
  })
})

describe('a peer that answers the challenge and stays on the old path', () => {
  const moved = () => {
    const run = new MigrationRecorder()
    run.forced(0)
    run.opened(1, 'B', 0)
    run.validated('B', 40)
    return run
  }

  it('is followed back, and not asked to migrate again', () => {
    const run = moved()
    run.received('A', 300)
    expect(run.timer(340)).toEqual([
      'migrate A',
      'ping',
      'resend B>A',
      'close B',
      'report forced refused A>B for 1',
    ])
    expect(run.at).toBe('settled A')
    expect(run.forced(400, 2)).toEqual(['report forced refused A>- for 2'])
    expect(run.reports[1]?.because).toBe('asked for: the peer did not follow to another path')
    expect(run.failed(500)).toEqual(['report timeouts redial A>-', 'redial dead'])
  })

  it('is not detected by retired packets of the first moment, since nothing answers then', () => {
    const run = moved()
    run.received('A', 60)
    expect(run.timer(340)).toEqual(['timer 300'])
    expect(run.at).toBe('waiting B')
  })

  it('cannot be followed back when the old socket has failed as well', () => {
    const run = moved()
    run.received('A', 300)
    expect(run.gone('A', 310)).toEqual([])
    expect(run.timer(340)).toEqual(['timer 300'])
    expect(run.received('A', 350)).toEqual([])
    expect(run.at).toBe('waiting B')
  })

  it('leads to a new connection where the engine refuses to go back', () => {
    const run = moved()
    run.received('A', 300)
    run.timer(340)
    expect(run.migrateFailed('A', 340)).toEqual(['redial dead'])
    expect(run.at).toBe('stuck A')
  })
})

describe('a path that is dead', () => {
  it.each([
    ['address-gone', (run: MigrationRecorder) => run.gone('A', 0)],
    ['socket-error', (run: MigrationRecorder) => run.gone('A', 0, 'socket-error')],
    ['timeouts', (run: MigrationRecorder) => run.failed(0)],
    ['silent', (run: MigrationRecorder) => run.failed(0, 'silent')],
  ])('is left at once, and bounced when something came over the new one: %s', (cause, begin) => {
    const run = new MigrationRecorder()
    expect(begin(run)).toEqual(['open 1', 'timer 1000'])
    expect(begin(run)).toEqual([])
    expect(run.opened(1, 'B', 2)).toEqual(['migrate B', 'ping', 'timer 100'])
    expect(run.validated('B', 41)).toEqual([])
    expect(run.received('B', 42)).toEqual(['resend A>B', `report ${cause} moved A>B`, 'timer 300'])
    expect(run.timer(342)).toEqual(['close A'])
  })

  it('counts the gap from the last byte', () => {
    const run = new MigrationRecorder()
    run.progress(0)
    run.failed(300)
    run.opened(1, 'B', 300)
    run.received('B', 340)
    expect(run.progress(342)).toEqual(['report timeouts moved A>B gap 342'])
  })

  it('turns a forced migration that is under way into one without validation', () => {
    const opening = new MigrationRecorder()
    opening.forced(0)
    expect(opening.gone('A', 1)).toEqual([])
    expect(opening.opened(1, 'B', 2)).toEqual(['migrate B', 'ping', 'timer 100'])
    expect(opening.received('B', 42)).toEqual(['resend A>B', 'report forced moved A>B for 1', 'timer 300'])

    const validating = new MigrationRecorder()
    validating.forced(0)
    validating.opened(1, 'B', 2)
    expect(validating.failed(10)).toEqual(['migrate B', 'ping', 'timer 100'])
    expect(validating.received('B', 52)).toEqual(['resend A>B', 'report forced moved A>B for 1', 'timer 300'])
  })

  it('stays in use when it answers before there is a new socket', () => {
    const run = new MigrationRecorder()
    run.failed(0)
    expect(run.fine(1)).toEqual(['report timeouts refused A>-', 'no timer'])
    expect(run.opened(1, 'B', 2)).toEqual(['close B'])
  })

  it('is left only after validation when it answers again while a forced migration opens its socket', () => {
    const run = new MigrationRecorder()
    run.forced(0)
    run.failed(1)
    run.fine(2)
    expect(run.opened(1, 'B', 3)).toEqual(['validate B', 'timer 100'])
  })

  it('is replaced by another one when the engine refuses it, and by a new connection when it refuses all', () => {
    const run = new MigrationRecorder({ maxRetries: 1 })
    run.failed(0)
    run.opened(1, 'B', 1)
    expect(run.migrateFailed('B', 1)).toEqual(['close B', 'open 2', 'timer 1000'])
    run.opened(2, 'C', 2)
    expect(run.migrateFailed('C', 2)).toEqual([
      'close C',
      'report timeouts redial A>-',
      'redial dead',
      'no timer',
    ])
  })

  it('is replaced by a new connection at once when the engine has no path left', () => {
    const run = new MigrationRecorder()
    run.failed(0)
    run.opened(1, 'B', 1)
    run.forbid('no ids')
    expect(run.migrateFailed('B', 1)).toEqual([
      'close B',
      'report timeouts redial A>-',
      'redial dead',
      'no timer',
    ])
    const forced = new MigrationRecorder()
    forced.forced(0)
    forced.opened(1, 'B', 1)
    forced.validated('B', 2)
    expect(forced.migrateFailed('B', 2)).toEqual(['close B', 'report forced refused A>B for 1', 'no timer'])
    expect(forced.at).toBe('settled A')
  })
})

describe('a network that is down', () => {
  it('is tried with other sockets, later each time, and at last with a new connection', () => {
    const run = new MigrationRecorder()
    run.failed(0)
    run.opened(1, 'B', 0)
    expect(run.timer(300)).toEqual(['timer 300'])
    expect(run.timer(600)).toEqual(['open 2', 'timer 1000'])
    expect(run.opened(2, 'C', 600)).toEqual(['migrate C', 'ping', 'close B', 'timer 100'])
    expect(run.timer(900)).toEqual(['timer 600'])
    expect(run.timer(1500)).toEqual(['open 3', 'timer 1000'])
    expect(run.openFailed(3, 1500)).toEqual(['timer 1200'])
    expect(run.timer(2700)).toEqual(['open 4', 'timer 1000'])
    expect(run.opened(4, 'D', 2700)).toEqual(['migrate D', 'ping', 'close C', 'timer 100'])
    expect(run.timer(3000)).toEqual(['close A', 'report timeouts redial A>D', 'redial dead'])
    expect(run.reports[0]?.because).toBe(
      'nothing comes over the path: tried 4 times: nothing came over the new path',
    )
    expect([run.at, run.failed(3001), run.timer(3002)]).toEqual(['stuck D', [], []])
  })

  const waiting = () => {
    const run = new MigrationRecorder()
    run.failed(0)
    run.opened(1, 'B', 0)
    run.timer(300)
    run.timer(600)
    run.opened(2, 'C', 600)
    run.timer(900)
    return run
  }

  it('may return on the new path, and then every dead path is bounced', () => {
    const run = waiting()
    expect(run.received('C', 1000)).toEqual([
      'resend A>C',
      'resend B>C',
      'report timeouts moved A>C',
      'timer 300',
    ])
  })

  it('may return on the old path', () => {
    const run = waiting()
    expect(run.received('A', 1000)).toEqual([
      'migrate A',
      'ping',
      'resend B>A',
      'resend C>A',
      'close C',
      'report timeouts validation-failed A>C',
      'no timer',
    ])
  })

  it('may return while the next socket is opened', () => {
    const run = waiting()
    run.timer(1500)
    expect(run.received('C', 1501).slice(-2)).toEqual(['report timeouts moved A>C', 'timer 300'])
    expect(run.opened(3, 'D', 1502)).toEqual(['close D'])
  })

  it('is tried at once on request', () => {
    const run = waiting()
    expect(run.forced(1000, 7)).toEqual(['open 3', 'timer 1000'])
    run.opened(3, 'D', 1001)
    expect(run.received('D', 1040).at(-2)).toBe('report timeouts moved A>D for 7')
  })

  it('is not tried again and again for errors of the same socket', () => {
    const run = new MigrationRecorder()
    run.gone('A', 0, 'socket-error')
    expect(run.openFailed(1, 0)).toEqual(['timer 300'])
    expect(run.gone('A', 10, 'socket-error')).toEqual([])
    expect(run.timer(300)).toEqual(['open 2', 'timer 1000'])
  })
})

describe('a path in use whose validation fails after all', () => {
  it('is left for another one at once, since the engine sends from elsewhere by itself', () => {
    const run = new MigrationRecorder()
    run.failed(0)
    run.opened(1, 'B', 1)
    run.received('B', 20)
    expect(run.at).toBe('arriving B')
    expect(run.invalid('B', 30)).toContain('open 2')
    expect(run.opened(2, 'C', 31)).toContain('migrate C')
    expect(run.received('C', 50)).toContain('resend B>C')
  })
})

describe('a forced migration while the connection ids of the peer are on their way', () => {
  const waiting = { isMissing: true }

  it('waits for them', () => {
    waiting.isMissing = true
    const run = new MigrationRecorder({ awaitsIds: () => waiting.isMissing })
    expect(run.forced(0)).toEqual(['timer 300'])
    expect(run.at).toBe('settled A')
    expect(run.fine(100)).toEqual([])
    waiting.isMissing = false
    expect(run.fine(120)).toEqual(['open 1', 'timer 1000'])
  })

  it('is refused when they do not come for three probe timeouts', () => {
    waiting.isMissing = true
    const run = new MigrationRecorder({ awaitsIds: () => waiting.isMissing })
    run.forbid('no ids')
    run.forced(0)
    expect(run.timer(299)).toEqual(['timer 1'])
    expect(run.timer(300)).toEqual(['report forced refused A>- for 1'])
  })

  it('ends with the connection', () => {
    waiting.isMissing = true
    const run = new MigrationRecorder({ awaitsIds: () => waiting.isMissing })
    run.forced(0)
    expect(run.abandoned(10)).toContain('report forced ended A>- for 1')
  })
})
