import { describe, expect, it } from 'vitest'
import { type HeaderList, headerValue } from '../../../src/base/http/headers.ts'
import type { IngressExchange } from '../../../src/ingress/ingress-exchange.ts'
import { newIngressStats } from '../../../src/ingress/ingress-stats.ts'
import { LoopOverload, withLoadShedding } from '../../../src/ingress/load-shedder.ts'
import { FakeClock } from '../../../src/testing/fake-clock.ts'

class Exchange {
  events: unknown
  said = ''
  headers: HeaderList = []
  readonly method: string

  constructor(method: string) {
    this.method = method
  }

  respondStart(status: number, headers: HeaderList): void {
    this.said += `${status}`
    this.headers = headers
  }

  respondData(chunk: Buffer): boolean {
    this.said += ` ${chunk.toString()}`
    return true
  }

  respondEnd(): void {
    this.said += ' end'
  }
}

/** A handler that takes 60 ms of the loop. */
function setUp(shedTargetMs: number) {
  const clock = new FakeClock()
  const stats = newIngressStats()
  const handle = withLoadShedding({
    handler: exchange => {
      clock.advance(60)
      exchange.respondEnd([])
    },
    limits: { shedTargetMs, shedIntervalMs: 300 },
    clock,
    stats,
    proxyName: 'edge',
    readCpuMs: () => clock.now(),
  })
  const turn = async (requests: number, method = 'GET'): Promise<Exchange[]> => {
    const exchanges = Array.from({ length: requests }, () => new Exchange(method))
    for (const exchange of exchanges) handle(exchange as unknown as IngressExchange) // what a shedder asks of one
    await new Promise(setImmediate)
    return exchanges
  }
  return { clock, stats, turn }
}

describe('requests to a process that is overloaded', () => {
  it('are refused as far as they do not fit into the target, until a turn is short', async () => {
    const { stats, turn } = setUp(100)
    const said = async (requests: number) => (await turn(requests)).map(exchange => exchange.said.slice(0, 4))
    for (let i = 0; i < 2; i++) expect(await said(5)).toEqual([' end', ' end', ' end', ' end', ' end'])
    expect(await said(4)).toEqual([' end', ' end', '503 ', '503 ']) // after 60 ms, but not after 120
    expect(stats.shed).toBe(2)
    await said(1)
    expect(await said(4)).toEqual([' end', ' end', ' end', ' end'])
    expect(stats.shed).toBe(2)
  })

  it('get the reason, and when to try again', async () => {
    const { turn } = setUp(100)
    await turn(5)
    await turn(5)
    const [, , refused] = await turn(3)
    const { said, headers } = refused as Exchange // of three
    const body = said.slice('503 '.length, -' end'.length)
    expect(JSON.parse(body)).toEqual({
      error: {
        code: 'MM_OVERLOADED',
        message:
          'the process was busy for longer than ingress.shedTargetMs = 100 at a time, for more than ingress.shedIntervalMs = 300',
      },
    })
    expect(headerValue(headers, 'content-length')).toBe(String(body.length))
    expect(headerValue(headers, 'retry-after')).toBe('1')
    expect(headerValue(headers, 'proxy-status')).toBe('edge; error=http_request_denied')
  })

  it('get an answer that is made once a second, without a body for HEAD', async () => {
    const { clock, turn } = setUp(100)
    await turn(5)
    await turn(5)
    const refused = (await turn(5, 'HEAD')).slice(2)
    expect(refused.map(({ said }) => said)).toEqual(['503 end', '503 end', '503 end'])
    expect(new Set(refused.map(({ headers }) => headers)).size).toBe(1)
    clock.advance(1_000)
    const later = (await turn(3)).at(-1)
    expect(later?.said).toMatch(/^503/)
    expect(later?.headers).not.toBe(refused[0]?.headers)
  })

  it('are all served where the target is 0', async () => {
    const { stats, turn } = setUp(0)
    for (let i = 0; i < 5; i++) await turn(20)
    expect(stats.shed).toBe(0)
  })
})

/** A loop whose turns keep the processor busy, unless the process is put aside meanwhile. */
class Loop {
  readonly overload: LoopOverload
  #cpuMs = 0

  constructor(targetMs: number, intervalMs: number) {
    this.overload = new LoopOverload(targetMs, intervalMs, () => this.#cpuMs)
  }

  /** Plays turns, each with its begin and its length, and the CPU where that is less. */
  play(...turns: readonly (readonly [beganAt: number, ms: number, cpuMs?: number])[]): boolean {
    for (const [beganAt, ms, cpuMs = ms] of turns) {
      this.overload.onTurnBegan(beganAt)
      this.work(cpuMs)
      this.overload.onTurnEnded(beganAt + ms)
    }
    return this.overload.isOverloaded
  }

  work(cpuMs: number): void {
    this.#cpuMs += cpuMs
  }
}

describe('an overload of the event loop', () => {
  it('begins when all turns were too long for the interval, counted from the beginning of the first of them', () => {
    const loop = new Loop(200, 500)
    expect(loop.play([0, 201], [201, 201])).toBe(false)
    expect(loop.play([402, 201])).toBe(true)
  })

  it('excludes both bounds: a turn as long as the target is short enough, the interval is long enough', () => {
    expect(new Loop(200, 500).play([0, 200], [200, 200], [400, 200], [600, 200])).toBe(false)
    expect(new Loop(200, 500).play([0, 250], [250, 249])).toBe(false)
    expect(new Loop(200, 500).play([0, 250], [250, 250])).toBe(true)
  })

  it('does not follow from one long turn, nor from long ones with a short one between', () => {
    const loop = new Loop(200, 500)
    expect(loop.play([0, 450], [450, 10], [460, 450])).toBe(false)
  })

  it('does not follow from turns in which the process was suspended', () => {
    const loop = new Loop(200, 500)
    expect(loop.play([0, 900, 100], [900, 900, 100], [1_800, 900, 200], [2_700, 900, 100])).toBe(false)
    expect(loop.play([4_000, 900, 100], [4_900, 900, 201])).toBe(true)
  })

  it('begins with the second long turn where the interval is 0', () => {
    const loop = new Loop(200, 0)
    expect([loop.play([0, 201]), loop.play([201, 201])]).toEqual([false, true])
  })

  it.each([
    ['is short', [600, 200]],
    ['was not busy', [600, 900, 200]],
  ] as const)('ends with a turn that %s', (_what, turn) => {
    const loop = new Loop(200, 0)
    expect([loop.play([0, 300], [300, 300]), loop.play(turn)]).toEqual([true, false])
  })

  it('admits what fills the target in each turn, and everything when it is over', () => {
    const loop = new Loop(200, 0)
    const { overload } = loop
    overload.onTurnBegan(0)
    expect(overload.admits(10_000)).toBe(true)
    loop.play([0, 300], [300, 300])
    overload.onTurnBegan(1_000)
    expect([overload.admits(1_200), overload.admits(1_201)]).toEqual([true, true])
    loop.work(201)
    expect([overload.admits(1_200), overload.admits(1_201)]).toEqual([true, false])
  })
})
