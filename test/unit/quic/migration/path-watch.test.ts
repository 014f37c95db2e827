import { describe, expect, it } from 'vitest'
import { type PathSample, PathWatch, type Verdict } from '../../../../src/quic/migration/path-watch.ts'

const SAMPLE: PathSample = {
  heardAt: 0,
  timeoutsInARow: 0,
  rttMs: 40,
  ptoMs: 100,
  isWaiting: true,
  hasFlowed: true,
}

/** Words for a verdict: `suspect silent?` with a question. */
function word(verdict: Verdict): string {
  if (verdict.kind === 'suspect') return `suspect ${verdict.cause}${verdict.asks ? '?' : ''}`
  return verdict.kind === 'failed' ? `failed ${verdict.cause}` : verdict.kind
}

/** Samples when the watch wants to, from 0 until `untilMs`. */
function follow(
  sample: (now: number) => Partial<PathSample>,
  untilMs: number,
  watch = new PathWatch(),
): string[] {
  const lines: string[] = []
  for (let now = 0; now <= untilMs; now = watch.nextAt) {
    lines.push(`${now} ${word(watch.onSample({ ...SAMPLE, ...sample(now) }, now))}`)
  }
  return lines
}

describe('a path that was silent since 0', () => {
  it('is asked after one probe timeout, suspect after two, and failed after three', () => {
    expect(follow(() => ({}), 325)).toEqual([
      '0 fine',
      '100 ask',
      '125 ask',
      '150 ask',
      '175 ask',
      '200 suspect silent?',
      '225 suspect silent?',
      '250 suspect silent?',
      '275 suspect silent?',
      '300 failed silent',
      '325 failed silent',
    ])
  })

  it('is suspect with the first loss timeout, and failed with the second, if five pings were not answered', () => {
    const timeoutsInARow = (now: number) => (now < 110 ? 0 : now < 230 ? 1 : 2)
    expect(
      follow(now => ({ timeoutsInARow: timeoutsInARow(now), hasFlowed: false }), 340).slice(0, 2),
    ).toEqual(['0 fine', '100 fine'])
    const watch = new PathWatch()
    const at = (now: number) =>
      word(watch.onSample({ ...SAMPLE, hasFlowed: false, timeoutsInARow: timeoutsInARow(now) }, now))
    expect([100, 110, 111, 135, 160, 185, 210, 230, 249].map(at)).toEqual([
      'fine',
      'suspect timeouts?',
      'suspect timeouts',
      ...Array<string>(4).fill('suspect timeouts?'),
      'suspect timeouts',
      'suspect timeouts?',
    ])
    expect(at(250)).toBe('failed timeouts')
  })

  it('recovers with the first packet, and everything begins again', () => {
    const heardAt = (now: number) => (now < 290 ? 0 : 280)
    const lines = follow(now => ({ heardAt: heardAt(now), hasFlowed: now < 200 }), 320)
    expect(lines.at(-2)).toBe('275 suspect silent?')
    expect(lines.at(-1)).toBe('300 fine')
  })

  it('is not failed by a process that was suspended, which has yet to ask', () => {
    const watch = new PathWatch()
    watch.onSample(SAMPLE, 0)
    expect(word(watch.onSample(SAMPLE, 5000))).toBe('ask')
    expect(word(watch.onSample(SAMPLE, 9000))).toBe('suspect silent?')
    expect(word(watch.onSample({ ...SAMPLE, heardAt: 9001 }, 9002))).toBe('fine')
  })

  it('is fine while no exchange waits, and is not asked', () => {
    const watch = new PathWatch()
    watch.onSample(SAMPLE, 0)
    expect(word(watch.onSample({ ...SAMPLE, isWaiting: false, timeoutsInARow: 3 }, 900))).toBe('fine')
    expect(watch.nextAt).toBe(Number.POSITIVE_INFINITY)
    expect(word(watch.onSample({ ...SAMPLE, hasFlowed: false, timeoutsInARow: 3 }, 1000))).toBe('fine')
  })

  it('has time to answer a request that begins after a long rest', () => {
    const watch = new PathWatch()
    watch.onSample({ ...SAMPLE, isWaiting: false }, 0)
    expect(word(watch.onSample(SAMPLE, 60_000))).toBe('fine')
    expect(watch.nextAt).toBe(60_100)
  })

  it('is asked once a second when no data flows, since a server may be computing', () => {
    const heardAt = (now: number) => (now < 1040 ? 0 : now < 2080 ? 1040 : 2080)
    const lines = follow(now => ({ hasFlowed: false, heardAt: heardAt(now) }), 3060)
    expect(lines.filter(line => !line.endsWith('fine'))).toEqual([
      '1000 ask',
      '1025 ask',
      '2040 ask',
      '2065 ask',
    ])
  })

  it('is asked even if the probe timeout is longer than bytes count as flowing', () => {
    const lines = follow(now => ({ hasFlowed: now < 50 }), 125)
    expect(lines).toEqual(['0 fine', '100 ask', '125 ask'])
  })

  it('is not suspected for a timer that ends right after a packet, but when silence goes on', () => {
    const watch = new PathWatch()
    watch.onSample({ ...SAMPLE, hasFlowed: false }, 0)
    const sample = { ...SAMPLE, hasFlowed: false, heardAt: 40, timeoutsInARow: 1 }
    expect(word(watch.onSample(sample, 45))).toBe('fine')
    expect(watch.nextAt).toBe(90)
    expect(word(watch.onSample(sample, 90))).toBe('suspect timeouts?')
  })

  it('is not judged by the loss timeouts of another path', () => {
    const watch = new PathWatch()
    watch.reset(0)
    expect(word(watch.onSample({ ...SAMPLE, timeoutsInARow: 3 }, 60))).toBe('fine')
    expect(word(watch.onSample({ ...SAMPLE, timeoutsInARow: 4 }, 61))).toBe('suspect timeouts?')
  })

  it('is judged by the probe timeout of 20 ms at least', () => {
    const watch = new PathWatch()
    watch.onSample({ ...SAMPLE, ptoMs: 1, rttMs: 0.2 }, 0)
    expect(watch.nextAt).toBe(20)
  })

  it('is forgotten by reset()', () => {
    const watch = new PathWatch()
    follow(() => ({}), 300, watch)
    watch.reset(310)
    expect(watch.nextAt).toBe(310)
    expect(word(watch.onSample(SAMPLE, 310))).toBe('fine')
    expect(watch.nextAt).toBe(410)
  })
})

describe('the round trips of a path', () => {
  const after = (rtts: readonly number[], stepMs = 500) => {
    const watch = new PathWatch()
    return rtts.map((rttMs, index) => {
      const now = index * stepMs
      return word(watch.onSample({ ...SAMPLE, rttMs, heardAt: now }, now))
    })
  }

  it('that are four times the shortest and 200 ms more make a path suspect after eight, until they shrink', () => {
    const words = after([40, ...Array<number>(9).fill(250), 200])
    expect(words).toEqual([...Array<string>(8).fill('fine'), 'suspect slow', 'suspect slow', 'fine'])
  })

  it.each([
    ['200 ms more, but not four times', [100, ...Array<number>(20).fill(350)]],
    ['four times, but not 200 ms more', [10, ...Array<number>(20).fill(200)]],
    ['slow from the first', Array<number>(20).fill(900)],
  ])('that are %s are fine', (_name, rtts) => {
    expect(new Set(after(rtts, 1000))).toEqual(new Set(['fine']))
  })

  it('count for nothing before there is one', () => {
    expect(new Set(after([0, ...Array<number>(20).fill(300)]))).toEqual(new Set(['fine']))
  })

  it('are counted once per round trip', () => {
    const words = after([40, ...Array<number>(60).fill(300)], 50)
    expect(words.indexOf('suspect slow')).toBe(8 * 6)
  })

  it('that stay long become the new measure after four minutes', () => {
    const words = after([40, ...Array<number>(300).fill(300)], 1000)
    expect(words.lastIndexOf('suspect slow')).toBeGreaterThan(118)
    expect(words.lastIndexOf('suspect slow')).toBeLessThan(241)
    expect(words.at(-1)).toBe('fine')
  })
})
