import { describe, expect, it } from 'vitest'
import { type LoadScenario, planLoad } from '../../../../bench/load/load-case.ts'
import { get, ours, theirs, UNDICI } from '../../../../bench/load/load-tables.ts'

const CASE = {
  requests: [get('1k')],
  arrival: { kind: 'closed', concurrency: 1 },
  subjects: [
    ours('h2', 'caddy'),
    ours('h2', 'nginx'),
    theirs('undici', UNDICI, 'http/1.1', 'nginx', { isExtra: true }),
  ],
} as const
const SCENARIO: LoadScenario = {
  name: 'scenario',
  description: '',
  origins: { caddy: { kind: 'caddy' }, nginx: { kind: 'nginx' } },
  cases: [
    { ...CASE, name: 'short' },
    { ...CASE, name: 'long', isLong: true },
  ],
  columns: [],
  compared: [],
}
const here = () => undefined

/** `case: subject, subject`. */
function told(plan: ReturnType<typeof planLoad>): string[] {
  return plan.cases.map(
    ({ name, subjects }) => `${name}: ${subjects.map(subject => subject.name).join(', ')}`,
  )
}

describe('planLoad', () => {
  it('plans every subject in every case', () => {
    const plan = planLoad(SCENARIO, { subjects: [], cases: [], sizes: [], isQuick: false }, here)
    expect(told(plan)).toEqual([
      'short: middlemile h2 at caddy, middlemile h2 at nginx, undici h1 at nginx',
      'long: middlemile h2 at caddy, middlemile h2 at nginx, undici h1 at nginx',
    ])
    expect(Object.keys(plan.origins)).toEqual(['caddy', 'nginx'])
  })

  it('leaves long cases and extra subjects out of a quick run', () => {
    expect(told(planLoad(SCENARIO, { subjects: [], cases: [], sizes: [], isQuick: true }, here))).toEqual([
      'short: middlemile h2 at caddy, middlemile h2 at nginx',
    ])
  })

  it('plans the cases whose name contains the text that is given, and none at all for a typing error', () => {
    const settings = { subjects: [], sizes: [], isQuick: false }
    expect(told(planLoad(SCENARIO, { ...settings, cases: ['lo', 'x'] }, here))).toHaveLength(1)
    expect(() => planLoad(SCENARIO, { ...settings, cases: ['x'] }, here)).toThrow(
      'no case has any of these in its name: x; there are short; long',
    )
  })

  it('leaves out the cases whose body is of another size than is asked for', () => {
    const [first, second] = SCENARIO.cases
    if (first === undefined || second === undefined) throw new Error('there are two')
    const sized = {
      ...SCENARIO,
      cases: [
        { ...first, size: '1k' },
        { ...second, size: '200m' },
      ],
    }
    const settings = { subjects: [], cases: [], isQuick: false }
    expect(told(planLoad(sized, { ...settings, sizes: ['1k', '100k'] }, here))[0]).toMatch(/^short/)
    expect(told(planLoad(sized, { ...settings, sizes: ['200m'] }, here))[0]).toMatch(/^long/)
  })

  it('starts no origin that no case uses', () => {
    const plan = planLoad(
      SCENARIO,
      { subjects: ['undici h1 at nginx'], cases: [], sizes: [], isQuick: true },
      here,
    )
    expect(told(plan)).toEqual(['short: undici h1 at nginx'])
    expect(plan.origins).toEqual({ nginx: { kind: 'nginx' } })
  })

  it('names the subjects whose origin is missing, once, and measures the others', () => {
    const plan = planLoad(SCENARIO, { subjects: [], cases: [], sizes: [], isQuick: false }, ({ kind }) =>
      kind === 'caddy' ? 'install caddy' : undefined,
    )
    expect(told(plan)[0]).toBe('short: middlemile h2 at nginx, undici h1 at nginx')
    expect(plan.unavailable).toEqual([{ subject: 'middlemile h2 at caddy', because: 'install caddy' }])
    expect(Object.keys(plan.origins)).toEqual(['nginx'])
  })

  it('plans nothing where all origins are missing', () => {
    const plan = planLoad(
      SCENARIO,
      { subjects: [], cases: [], sizes: [], isQuick: false },
      () => 'install it',
    )
    expect(plan.cases).toEqual([])
    expect(plan.unavailable).toHaveLength(3)
  })
})
