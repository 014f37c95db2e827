import { describe, expect, it } from 'vitest'
import type { RedisClient } from '../../../../src/service/fleet/redis-client.ts'
import { RedisLink } from '../../../../src/service/fleet/redis-link.ts'
import { FakeClock } from '../../../../src/testing/fake-clock.ts'
import { settled } from '../../../support/fake-connector.ts'

const CONNECT_MS = 2_000
const ANSWER_MS = 1_000

/** A client as the test wants it: what it is asked waits for `answer`. */
class FakeClient implements RedisClient {
  readonly sent: string[] = []
  isEnded = false
  readonly onEnded: (error: unknown) => void
  readonly opened: Promise<unknown>
  #open: () => void = () => {}
  #refuse: (error: unknown) => void = () => {}
  #waiting: { resolve(value: unknown): void; reject(error: unknown): void }[] = []

  constructor(onEnded: (error: unknown) => void) {
    this.onEnded = onEnded
    this.opened = new Promise<void>((resolve, reject) => {
      this.#open = resolve
      this.#refuse = reject
    })
  }

  send(words: readonly string[]): Promise<unknown> {
    this.sent.push(words[0] ?? '')
    return new Promise((resolve, reject) => this.#waiting.push({ resolve, reject }))
  }

  end(): void {
    this.isEnded = true
  }

  async open(): Promise<void> {
    this.#open()
    await settled()
  }

  /** Connected, and PING and INFO answered. */
  async becomeReady(info: unknown = '# Server\r\nrun_id:0123456789abcdef\r\nx:y\r\n'): Promise<void> {
    await this.open()
    await this.answer('PONG')
    await this.answer(info)
  }

  async refuse(error: unknown): Promise<void> {
    this.#refuse(error)
    await settled()
  }

  async answer(value: unknown): Promise<void> {
    const first = this.#waiting.shift()
    if (value instanceof Error) first?.reject(value)
    else first?.resolve(value)
    await settled()
  }
}

function link() {
  const clock = new FakeClock()
  const clients: FakeClient[] = []
  const changes: string[] = []
  const one = new RedisLink({
    open: onEnded => {
      const client = new FakeClient(onEnded)
      clients.push(client)
      return client
    },
    clock,
    random: () => 1,
    connectTimeoutMs: CONNECT_MS,
    answerTimeoutMs: ANSWER_MS,
    onChange: ({ state, because }) => changes.push(because === undefined ? state : `${state}: ${because}`),
  })
  one.start()
  const newest = (): FakeClient => clients.at(-1)!
  /** Time passes until it connects again. */
  const reconnected = (): FakeClient => {
    const had = clients.length
    while (clients.length === had) clock.advance(50)
    return newest()
  }
  const outcome = (): Promise<unknown> =>
    one.run(run => [run]).then(String, error => `failed: ${String(error)}`)
  return { one, clock, clients, changes, newest, reconnected, outcome }
}

const CLOSED = Object.assign(new Error('x'), { code: 'ECONNRESET' })

describe('the connection to Redis', () => {
  it('makes questions wait for its first connect, and names the run of Redis to them', async () => {
    const { one, newest, changes } = link()
    const words: string[][] = []
    const answered = one.run(run => {
      words.push([run])
      return [run]
    })
    expect(words).toEqual([])
    await newest().becomeReady()
    expect(words).toEqual([['0123456789abcdef']])
    await newest().answer(['1'])
    expect(await answered).toEqual(['1'])
    one.onUnderstood()
    expect(changes).toEqual(['answering'])
    expect(newest().sent).toEqual(['PING', 'INFO', 'EVALSHA'])
  })

  it('sends the script where Redis does not have it', async () => {
    const { newest, outcome } = link()
    const answered = outcome()
    await newest().becomeReady()
    await newest().answer(new Error('NOSCRIPT No matching script.'))
    await newest().answer('done')
    expect(await answered).toBe('done')
    expect(newest().sent.slice(2)).toEqual(['EVALSHA', 'EVAL'])
  })

  it('goes on without the name of the run where INFO is not allowed', async () => {
    const { newest, one } = link()
    const runs: string[] = []
    const answered = one.run(run => {
      runs.push(run)
      return []
    })
    await newest().becomeReady(new Error('NOPERM this user has no permissions'))
    await newest().answer('done')
    expect([await answered, runs]).toEqual(['done', ['']])
  })

  it('fails questions at once while there is none, and reports each reason once', async () => {
    const { one, clients, changes, outcome, newest, reconnected } = link()
    const waiting = outcome()
    await newest().refuse(CLOSED)
    expect(await waiting).toMatch('failed')
    expect(await outcome()).toMatch('failed')
    for (let count = 0; count < 5; count += 1) await reconnected().refuse(CLOSED)
    expect(changes).toEqual(['unreachable: ECONNRESET'])
    await reconnected().refuse(new Error('WRONGPASS x'))
    expect(changes.at(-1)).toMatch('WRONGPASS')
    await reconnected().becomeReady()
    expect(changes.at(-1)).toBe('answering')
    expect(clients).toHaveLength(8)
    expect(clients.filter(({ isEnded }) => !isEnded)).toHaveLength(1)
    expect(one.standing).toMatchObject({ state: 'answering', failed: 2, because: undefined })
  })

  it('is made again after 100 ms, then twice as late each time, and after 5 s at the most', async () => {
    const { clock, newest, reconnected } = link()
    const waits: number[] = []
    for (let count = 0; count < 9; count += 1) {
      await newest().refuse(CLOSED)
      const before = clock.now()
      reconnected()
      waits.push(clock.now() - before)
    }
    expect(waits).toEqual([100, 200, 400, 800, 1_600, 3_200, 5_000, 5_000, 5_000])
  })

  it.each([
    ['a connect that takes too long', async () => {}],
    ['a password or PING that nobody answers', async (client: FakeClient) => client.open()],
    [
      'an INFO that nobody answers',
      async (client: FakeClient) => {
        await client.open()
        await client.answer('PONG')
      },
    ],
  ])('gives up %s', async (_, begin) => {
    const { clock, newest, changes, outcome } = link()
    const waiting = outcome()
    await begin(newest())
    clock.advance(CONNECT_MS)
    expect(newest().isEnded).toBe(true)
    expect(await waiting).toMatch('failed')
    expect(changes).toEqual(['unreachable: it does not answer in time'])
  })

  it('replaces a connection whose answer is late, and trusts the new one only by an answer', async () => {
    const { one, clock, newest, reconnected, clients, changes, outcome } = link()
    await newest().becomeReady()
    const [late, alsoLate] = [outcome(), outcome()]
    await settled()
    clock.advance(ANSWER_MS)
    await settled()
    expect(await late).toMatch('failed')
    expect(clients[0]?.isEnded).toBe(true)
    await clients[0]?.answer(CLOSED)
    await clients[0]?.answer(CLOSED) // as the package does with what waits
    expect(await alsoLate).toMatch('failed')
    await reconnected().becomeReady()
    expect(changes).toEqual(['answering', 'unreachable: it does not answer in time'])
    const answered = outcome()
    await settled()
    await newest().answer('done')
    await answered
    one.onUnderstood()
    expect(changes.at(-1)).toBe('answering')
  })

  it('ends a connection whose answers are invalid, or that ends by itself', async () => {
    const { one, newest, reconnected, changes } = link()
    await newest().becomeReady()
    one.onNonsense()
    expect(changes.at(-1)).toBe('unreachable: it answers in another way than Redis does')
    await reconnected().becomeReady()
    newest().onEnded(CLOSED)
    newest().onEnded(new Error('another one'))
    expect(changes.at(-1)).toBe('unreachable: ECONNRESET')
  })

  it('reports nothing of a connection that had answered and is replaced at once', async () => {
    const { one, newest, reconnected, changes, outcome } = link()
    await newest().becomeReady()
    const answered = outcome()
    await settled()
    await newest().answer('done')
    await answered
    one.onUnderstood()
    const lost = outcome()
    newest().onEnded(CLOSED)
    await newest().answer(CLOSED) // as the package does with what waits
    expect(await lost).toMatch('failed')
    await reconnected().becomeReady()
    expect(changes).toEqual(['answering'])
    newest().onEnded(CLOSED)
    expect(changes).toEqual(['answering', 'unreachable: ECONNRESET'])
  })

  it('ends when it is closed', async () => {
    const { one, clock, clients, newest, outcome } = link()
    await newest().refuse(CLOSED)
    one.close()
    clock.advance(60_000)
    expect(clients).toHaveLength(1)
    expect(await outcome()).toMatch('failed')
  })
})
