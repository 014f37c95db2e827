import { describe, expect, it } from 'vitest'
import { MigrationRecorder } from './migration-recorder.ts'

describe('a path that is suspected', () => {
  it('gets a spare path, which is closed when it recovers', () => {
    const run = new MigrationRecorder()
    expect(run.suspect(0, 'timeouts', true)).toEqual(['open 1', 'ping', 'timer 1000'])
    expect(run.suspect(1, 'timeouts', true)).toEqual(['ping'])
    expect(run.opened(1, 'B', 2)).toEqual(['validate B', 'timer 100'])
    expect(run.fine(20)).toEqual(['close B', 'no timer'])
    expect([run.at, run.state.sparesDropped, run.reports]).toEqual(['settled A', 1, []])
    expect(run.validated('B', 40)).toEqual([])
  })

  it('closes the spare that was not open yet when it comes', () => {
    const run = new MigrationRecorder()
    run.suspect(0)
    expect(run.fine(1)).toEqual(['no timer'])
    expect(run.opened(1, 'B', 2)).toEqual(['close B'])
  })

  it('is left when the spare is validated and it has not recovered', () => {
    const run = new MigrationRecorder()
    run.suspect(0, 'silent')
    run.opened(1, 'B', 0)
    expect(run.validated('B', 40)).toEqual(['migrate B', 'ping', 'timer 100'])
    expect(run.received('B', 80)).toEqual(['resend A>B', 'report silent moved A>B', 'timer 300'])
  })

  it('is left at once when it fails before', () => {
    const run = new MigrationRecorder()
    run.suspect(0)
    run.opened(1, 'B', 0)
    expect(run.failed(20)).toEqual(['migrate B', 'ping', 'timer 100'])
    expect(run.received('B', 60)).toEqual(['resend A>B', 'report timeouts moved A>B', 'timer 300'])
  })

  it('is left at once when its address vanishes, which is the cause then', () => {
    const run = new MigrationRecorder()
    run.suspect(0)
    run.opened(1, 'B', 0)
    run.gone('A', 20)
    expect(run.received('B', 60).at(1)).toBe('report address-gone moved A>B')
  })

  it('is kept when the spare does not answer either, with a few tries', () => {
    const run = new MigrationRecorder({ maxRetries: 1 })
    run.suspect(0)
    run.opened(1, 'B', 0)
    expect(run.timer(300)).toEqual(['close B', 'timer 300'])
    expect([run.at, run.suspect(310), run.failed(320)]).toEqual(['waiting A', [], []])
    expect(run.timer(600)).toEqual(['open 2', 'timer 1000'])
    run.opened(2, 'C', 600)
    expect(run.timer(900)).toEqual(['close A', 'report timeouts redial A>C', 'redial dead'])
  })

  it('recovers while that wait lasts', () => {
    const run = new MigrationRecorder()
    run.suspect(0)
    run.opened(1, 'B', 0)
    run.timer(300)
    expect(run.fine(310)).toEqual(['no timer'])
    expect(run.at).toBe('settled A')
  })

  it('is kept when it has not failed after all tries', () => {
    const run = new MigrationRecorder({ maxRetries: 0 })
    run.suspect(0)
    run.opened(1, 'B', 0)
    expect(run.timer(300)).toEqual(['close B'])
    expect(run.at).toBe('settled A')
  })

  it('gets the same spare again, which costs no path, and not too often', () => {
    const run = new MigrationRecorder({ maxMigrations: 1 })
    run.suspect(0)
    run.opened(1, 'B', 0)
    run.fine(20)
    expect(run.suspect(999)).toEqual([])
    expect(run.suspect(1000)).toEqual(['open 2 127.0.0.1:2', 'timer 1000'])
    run.opened(2, 'B', 1000)
    run.fine(1010)
    expect(run.suspect(2999)).toEqual([])
    expect(run.failed(3000)).toEqual(['open 3 127.0.0.1:2', 'timer 1000'])
    expect(run.opened(3, 'B', 3000)).toEqual(['migrate B', 'ping', 'timer 100'])
  })

  it('uses another port when that of the spare is in use', () => {
    const run = new MigrationRecorder()
    run.suspect(0)
    run.opened(1, 'B', 0)
    run.fine(20)
    run.failed(30)
    expect(run.openFailed(2, 31)).toEqual(['open 3', 'timer 1000'])
  })

  it('keeps a slow path when the spare is no better, and does not resend what still delivers', () => {
    const run = new MigrationRecorder()
    run.suspect(0, 'slow', false, 400)
    run.opened(1, 'B', 0)
    expect(run.validated('B', 201)).toEqual(['close B', 'no timer'])
    expect(run.state.sparesDropped).toBe(1)
    run.suspect(2000, 'slow', false, 400)
    run.opened(2, 'B', 2000)
    expect(run.received('B', 2050)).toEqual(['migrate B', 'ping', 'timer 100'])
    expect(run.received('B', 2100)).toEqual(['report slow moved A>B', 'timer 300'])
  })

  it('gives way to a migration that is forced', () => {
    const run = new MigrationRecorder()
    run.suspect(0)
    run.opened(1, 'B', 0)
    expect(run.forced(10, 5, { address: '127.0.0.9' })).toEqual([
      'close B',
      'open 2 127.0.0.9:*',
      'timer 1000',
    ])
  })

  it('is asked by PING', () => {
    const run = new MigrationRecorder()
    expect(run.ask(0)).toEqual(['ping'])
    run.abandoned(1)
    expect(run.ask(2)).toEqual([])
  })
})

describe('a connection with limits on migration', () => {
  it('refuses a forced migration when the peer forbids it, and reports nothing of a suspicion', () => {
    const run = new MigrationRecorder()
    run.refusal = 'the peer forbids it'
    expect(run.forced(0, 3)).toEqual(['report forced refused A>- for 3'])
    expect(run.reports[0]?.because).toBe('asked for: the peer forbids it')
    expect([run.suspect(1), run.suspect(5000)]).toEqual([[], []])
    expect(run.at).toBe('settled A')
  })

  it('is replaced by a new connection when a path has failed that may not be left', () => {
    for (const fail of [
      (run: MigrationRecorder) => run.failed(0, 'silent'),
      (run: MigrationRecorder) => run.gone('A', 0),
    ]) {
      const run = new MigrationRecorder()
      run.refusal = 'the peer forbids it'
      expect(fail(run).slice(-1)).toEqual(['redial dead'])
      expect(run.reports[0]).toMatchObject({
        outcome: 'redial',
        because: expect.stringContaining('forbids it'),
      })
      expect(run.forced(1, 2)).toEqual(['report forced refused A>- for 2'])
    }
  })

  it('is replaced by a new connection when its paths are used up, and reports that again when its path dies as well', () => {
    const run = new MigrationRecorder({ maxMigrations: 2 })
    const names = ['B', 'C']
    for (const [index, name] of names.entries()) {
      const now = index * 1000
      run.forced(now, index)
      run.opened(index + 1, name, now)
      run.validated(name, now + 40)
      run.received(name, now + 80)
      run.timer(now + 400)
    }
    expect(run.suspect(2000)).toEqual([])
    expect(run.forced(3000, 9)).toEqual(['report forced redial C>- for 9', 'redial'])
    expect(run.at).toBe('stuck C')
    expect([run.suspect(3001), run.failed(3002), run.failed(3003)]).toEqual([[], ['redial dead'], []])
  })

  it('throws when a socket that is open already is opened again', () => {
    const run = new MigrationRecorder()
    run.forced(0)
    expect(() => run.opened(1, 'A', 1)).toThrow('there is a socket with the address 127.0.0.1 1 already')
  })
})

describe('a series of migrations', () => {
  it('defers a forced one while another is under way, and refuses a third', () => {
    const run = new MigrationRecorder()
    run.forced(0, 1)
    expect(run.forced(1, 2)).toEqual([])
    expect(run.forced(2, 3)).toEqual(['report forced refused A>- for 3'])
    run.opened(1, 'B', 3)
    run.validated('B', 40)
    expect(run.received('B', 80)).toEqual(['report forced moved A>B for 1', 'open 2', 'timer 300'])
    run.opened(2, 'C', 81)
    run.validated('C', 121)
    expect(run.received('C', 161)).toEqual(['report forced moved B>C for 2', 'timer 219'])
    expect(run.timer(380)).toEqual(['close A', 'timer 81'])
    expect(run.timer(461)).toEqual(['close B'])
  })

  it('starts the deferred one when the first has failed', () => {
    const run = new MigrationRecorder()
    run.forced(0, 1)
    run.forced(1, 2)
    expect(run.openFailed(1, 2)).toEqual(['report forced refused A>- for 1', 'open 2', 'timer 1000'])
  })

  it('goes on when the path that was just migrated to fails', () => {
    const run = new MigrationRecorder()
    run.progress(0)
    run.failed(300)
    run.opened(1, 'B', 300)
    run.received('B', 340)
    expect(run.failed(640)).toEqual(['report timeouts moved A>B gap 640', 'open 2'])
    expect(run.timer(640)).toEqual(['close A', 'timer 1000'])
    run.opened(2, 'C', 641)
    expect(run.received('C', 681)).toEqual(['resend B>C', 'timer 300'])
    expect(run.progress(690)).toEqual(['report timeouts moved B>C gap 690'])
  })

  it('leaves a new path whose socket fails before anything came', () => {
    const run = new MigrationRecorder()
    run.failed(0)
    run.opened(1, 'B', 0)
    expect(run.gone('B', 1, 'socket-error')).toEqual(['timer 300'])
    expect(run.at).toBe('waiting B')
  })
})

describe('a migrating connection that ends', () => {
  it.each<[string, (run: MigrationRecorder) => void, string[]]>([
    ['settled', () => undefined, []],
    ['opening', run => run.forced(0), ['report forced ended A>- for 1', 'no timer']],
    ['opening a spare', run => run.suspect(0), ['no timer']],
    [
      'validating',
      run => [run.forced(0), run.opened(1, 'B', 0)],
      ['close B', 'report forced ended A>B for 1', 'no timer'],
    ],
    ['validating a spare', run => [run.suspect(0), run.opened(1, 'B', 0)], ['close B', 'no timer']],
    [
      'moved',
      run => [run.failed(0), run.opened(1, 'B', 0)],
      ['close A', 'report timeouts ended A>B', 'no timer'],
    ],
    [
      'arriving',
      run => [run.failed(0), run.opened(1, 'B', 0), run.received('B', 40)],
      ['close A', 'no timer'],
    ],
    [
      'arriving, with a report that is owed',
      run => [run.progress(0), run.failed(0), run.opened(1, 'B', 0), run.received('B', 40)],
      ['report timeouts moved A>B gap 500', 'close A', 'no timer'],
    ],
    [
      'waiting',
      run => [run.failed(0), run.opened(1, 'B', 0), run.timer(300)],
      ['close A', 'report timeouts ended A>-', 'no timer'],
    ],
    [
      'with one deferred',
      run => [run.forced(0), run.forced(0, 2)],
      ['report forced ended A>- for 1', 'report forced ended A>- for 2', 'no timer'],
    ],
    ['stuck', run => [run.forbid(), run.failed(0)], []],
  ])('closes every socket but the one in use: %s', (_name, before, actions) => {
    const run = new MigrationRecorder()
    before(run)
    expect(run.abandoned(500)).toEqual(actions)
    expect([run.abandoned(501), run.timer(502), run.received('A', 503), run.failed(504)]).toEqual([
      [],
      [],
      [],
      [],
    ])
    expect(run.forced(505, 8)).toEqual([expect.stringMatching(/^report forced ended .* for 8$/)])
    expect(run.opened(1, 'Z', 506)).toEqual(['close Z'])
  })
})

describe('a report about a socket that is closed', () => {
  it('is ignored', () => {
    const run = new MigrationRecorder()
    run.suspect(0)
    run.opened(1, 'B', 0)
    run.fine(1)
    for (const nothing of [
      run.validated('B', 2),
      run.invalid('B', 3),
      run.migrateFailed('B', 4),
      run.received('B', 5),
      run.gone('B', 6),
      run.openFailed(1, 7),
      run.timer(8),
    ])
      expect(nothing).toEqual([])
  })
})
