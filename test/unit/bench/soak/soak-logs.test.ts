import { describe, expect, it } from 'vitest'
import { parseRequestPath, payload, requestPath } from '../../../../bench/soak/payload.ts'
import { parseOriginLog, readConnectorLog } from '../../../../bench/soak/soak-logs.ts'
import { accountForPosts } from '../../../../bench/soak/soak-subject.ts'

describe('parseOriginLog', () => {
  it('counts the requests that were processed, and keeps the fault of each that was spoiled on purpose', () => {
    const { processed, faults } = parseOriginLog('P a-1\nP a-2\nP a-1\nF a-3 reset\nF a-4\n\n')
    expect(processed).toEqual(
      new Map([
        ['a-1', 2],
        ['a-2', 1],
      ]),
    )
    expect(faults).toEqual(new Map([['a-3', 'reset']]))
  })
})

describe('accountForPosts', () => {
  it('finds what was processed twice, and what was answered without being processed', () => {
    const one = new Map([
      ['a-1', 2],
      ['a-2', 1],
    ])
    const other = new Map([['b-1', 1]])
    expect(accountForPosts([one, other], ['a-2', 'b-1', 'b-2'])).toEqual({
      duplicates: ['a-1'],
      lost: ['b-2'],
      processed: 4,
      answered: 3,
    })
  })
})

describe('readConnectorLog', () => {
  const line = (fields: object): string =>
    `${JSON.stringify({ time: '2026-01-01T00:00:00.000Z', ...fields })}\n`

  it('finds slow requests by their ids, and counts warnings that are alike', () => {
    const slow = { level: 'warn', path: '/soak/a-1', tries: [], attempts: [], msg: 'slow request' }
    const log = readConnectorLog(
      line(slow) +
        line({ level: 'warn', msg: 'shop: connect failed after 12ms' }) +
        line({ level: 'warn', msg: 'shop: connect failed after 3.5ms' }) +
        line({ level: 'info', msg: 'opened' }),
    )
    expect(log.slow.get('a-1')).toMatchObject(slow)
    expect(log.warnings).toEqual([{ text: 'shop: connect failed after Nms', count: 2 }])
    expect([log.levels, log.alarms]).toEqual([{ warn: 3, info: 1 }, []])
  })

  it('takes errors, defects and what was written around the logger for alarms', () => {
    const { alarms } = readConnectorLog(
      `${line({ level: 'error', msg: 'bad' })}${line({ level: 'info', msg: 'MM_INTERNAL oh' })}Error: thrown\n`,
    )
    expect(alarms).toEqual(['bad', 'MM_INTERNAL oh', 'Error: thrown'])
  })
})

describe('the payload of a request', () => {
  it('is the same for the same id, as long as it is asked for, and another one for another id', () => {
    expect(payload('a-1', 1_000)).toEqual(payload('a-1', 1_000))
    expect(payload('a-1', 1_048_576)).toHaveLength(1_048_576)
    expect(payload('a-1', 1_000).equals(payload('a-2', 1_000))).toBe(false)
  })
})

describe('parseRequestPath', () => {
  it('reads what requestPath writes, and nothing else', () => {
    expect(parseRequestPath(requestPath('slow-s1-20', 1_024))).toEqual({ id: 'slow-s1-20', bytes: 1_024 })
    expect(parseRequestPath('/soak/a?size=')).toBeUndefined()
    expect(parseRequestPath('/else')).toBeUndefined()
  })
})
