import { describe, expect, it } from 'vitest'
import { EjectionBoard, type EjectionNews } from '../../../../src/state/shares/host-news.ts'

const ejected = (endpoint: string, forMs = 1_000, origin = 'https://a'): EjectionNews => ({
  kind: 'ejected',
  origin,
  endpoint,
  because: '503',
  forMs,
})

describe('the ejections that last', () => {
  it('are those of an origin that are neither over nor taken back, with the time that is left', () => {
    const board = new EjectionBoard()
    for (const news of [ejected('1'), ejected('2', 5_000), ejected('3'), ejected('1', 9_000, 'https://b')])
      board.onNews(news, 0)
    board.onNews({ kind: 'readmitted', origin: 'https://a', endpoint: '3' }, 10)
    board.onNews({ kind: 'record', origin: 'https://a' }, 10)
    expect(board.lasting(400, 'https://a')).toEqual([ejected('1', 600), ejected('2', 4_600)])
    expect(board.lasting(1_000)).toEqual([ejected('2', 4_000), ejected('1', 8_000, 'https://b')])
  })

  it('are as the last news of an endpoint says', () => {
    const board = new EjectionBoard()
    board.onNews(ejected('1', 1_000), 0)
    board.onNews(ejected('1', 7_000), 500)
    expect(board.lasting(1_000)).toEqual([ejected('1', 6_500)])
  })

  it('are bounded: the oldest go', () => {
    const board = new EjectionBoard()
    for (let index = 0; index < 2_000; index++) board.onNews(ejected(String(index)), 0)
    const lasting = board.lasting(1)
    expect([lasting.length, lasting[0]?.endpoint]).toEqual([1_024, '976'])
  })
})
