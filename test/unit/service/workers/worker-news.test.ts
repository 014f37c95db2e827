import { describe, expect, it } from 'vitest'
import { Channel } from '../../../../src/service/workers/channel.ts'
import type { AskSupervisor, ToSupervisor, ToWorker } from '../../../../src/service/workers/messages.ts'
import { supervisorNews, WorkerNews } from '../../../../src/service/workers/worker-news.ts'
import type { EjectionNews, HostNews } from '../../../../src/state/shares/host-news.ts'
import { FakeClock } from '../../../../src/testing/fake-clock.ts'

const ejected = (endpoint: string, forMs = 1_000): EjectionNews => ({
  kind: 'ejected',
  origin: 'https://a',
  endpoint,
  because: '503',
  forMs,
})

describe('the news of workers', () => {
  it('go to every worker but the one that has them, and what lasts to those that start later', () => {
    const clock = new FakeClock()
    const told: [number, HostNews][] = []
    const news = new WorkerNews({ tell: (...one) => told.push(one), clock })
    news.onNews(1, ejected('x'))
    news.onNews(2, { kind: 'record', origin: 'https://a' })
    expect(told).toEqual([
      [1, ejected('x')],
      [2, { kind: 'record', origin: 'https://a' }],
    ])
    clock.advance(400)
    expect(news.ejections()).toEqual([ejected('x', 600)])
  })

  it('are passed on 200 times a second for each worker, and no more', () => {
    const clock = new FakeClock()
    let told = 0
    const news = new WorkerNews({ tell: () => (told += 1), clock })
    for (let i = 0; i < 300; i++) news.onNews(1, ejected('x'))
    expect(told).toBe(200)
    news.onNews(2, ejected('x'))
    expect(told).toBe(201)
    clock.advance(1_000)
    news.onNews(1, ejected('x'))
    expect(told).toBe(202)
  })
})

describe('the news of a worker', () => {
  it('go to its supervisor; what comes from there is reported, and held for origins that come later', () => {
    const clock = new FakeClock()
    const sent: unknown[] = []
    let receive = (_message: unknown): void => {}
    const port = {
      connected: true,
      send: (message: object, done: (error: Error | null) => void) => {
        sent.push(message)
        done(null)
        return true
      },
      on: (_event: 'message', listener: (message: unknown) => void) => (receive = listener),
    }
    const channel = new Channel<ToSupervisor, ToWorker, AskSupervisor>(port, clock)
    const news = supervisorNews(channel, [ejected('early')], clock)
    const heard: HostNews[] = []
    receive({ type: 'message', kind: 'originNews', body: ejected('before anybody listens') })
    news.onNews(one => heard.push(one))
    receive({ type: 'message', kind: 'originNews', body: ejected('late') })
    news.publish(ejected('own'))
    expect(heard).toEqual([ejected('late')])
    expect(sent).toEqual([{ type: 'message', kind: 'originNews', body: ejected('own') }])
    expect(news.ejections('https://a').map(({ endpoint }) => endpoint)).toEqual([
      'early',
      'before anybody listens',
      'late',
    ])
    expect(news.ejections('https://b')).toEqual([])
  })
})
