import { describe, expect, it } from 'vitest'
import { runScoutedRounds } from '../../../../bench/load/best-fixed.ts'

const MEANS: Readonly<Record<string, number>> = {
  slow: 500,
  best: 100,
  close: 130,
  auto: 9000,
  dead: Number.NaN,
}
const subjects = Object.keys(MEANS).map(name => ({ name }))

async function run(factor: number) {
  const events: string[] = []
  const figure = (name: string) => ({ meanMs: MEANS[name] ?? Number.NaN })
  const result = await runScoutedRounds({
    subjects,
    isSet: ({ name }) => name === 'auto',
    warmUp({ name }) {
      events.push(`warm ${name}`)
      return Promise.resolve()
    },
    scout: ({ name }) => {
      events.push(`look ${name}`)
      return Promise.resolve(figure(name))
    },
    metric: 'meanMs',
    factor,
    rounds: 2,
    measure: ({ name }, round) => {
      events.push(`${name} ${round}`)
      return Promise.resolve({ ...figure(name), round })
    },
  })
  return { ...result, events }
}

describe('runScoutedRounds', () => {
  it('tries all subjects but the set ones briefly, and then measures these and whatever is close to the best', async () => {
    const { events, rounds, dismissed } = await run(1.3)
    expect(events).toEqual([
      'warm slow',
      'warm best',
      'warm close',
      'warm auto',
      'warm dead',
      'look slow',
      'look best',
      'look close',
      'look dead',
      'best 0',
      'close 0',
      'auto 0',
      'close 1',
      'auto 1',
      'best 1',
    ])
    expect([...rounds.keys()]).toEqual(['best', 'close', 'auto'])
    expect(rounds.get('close')).toEqual([
      { meanMs: 130, round: 0 },
      { meanMs: 130, round: 1 },
    ])
    expect([...dismissed]).toEqual([
      ['slow', { meanMs: 500 }],
      ['dead', { meanMs: Number.NaN }],
    ])
  })

  it('drops no subject within the factor, and always keeps the best', async () => {
    expect([...(await run(5)).rounds.keys()]).toEqual(['slow', 'best', 'close', 'auto'])
    expect([...(await run(1)).rounds.keys()]).toEqual(['best', 'auto'])
  })
})
