import { describe, expect, it } from 'vitest'
import { impolite, impositionOf } from '../../../../src/bench/politeness.ts'
import { planSettings, publicArguments } from '../../../../src/cli/bench/bench.ts'
import {
  conditionsOption,
  type PlanValues,
  planOf,
  urlOption,
} from '../../../../src/cli/bench/bench-options.ts'
import { main } from '../../../../src/cli/main.ts'
import { type FakeOutside, fakeIo } from '../fake-io.ts'

const URL_TEXT = 'https://origin.example/a?b=c'
const url = new URL(URL_TEXT)

async function bench(args: readonly string[], outside: FakeOutside = {}) {
  const fake = fakeIo(outside)
  const exitCode = await main(['bench', ...args], fake.io)
  return { exitCode, err: fake.err(), out: fake.out() }
}

describe('an origin that is not on this machine', () => {
  const far = 'https://192.0.2.1/'

  it('gets no more than the limits from a script', async () => {
    const { exitCode, err } = await bench(['--rate', '21', far])
    expect(exitCode).toBe(2)
    expect(err).toContain('would get up to 21 requests/s (limit 20)')
    expect(err).toContain('--yes')
  })

  it('gets no more when the user at the terminal says no', async () => {
    const { exitCode, err } = await bench(['--concurrency', '4', far], { confirms: false })
    expect(exitCode).toBe(2)
    expect(err).toContain('any number of requests/s (limit 20)')
    expect(err).toContain('[y/N]')
    expect(err).toContain('not measured')
  })

  it('is within the limits by default', async () => {
    const plan = await planOf(url, {}, false)
    const open = { kind: 'open', perSecond: 20, spacing: 'poisson', maxInFlight: 8 }
    expect(plan.arrival).toEqual({ ...open, catchUpPerSecond: 40 })
    expect((await planOf(url, { rate: '20', concurrency: '8', yes: true }, false)).arrival).toEqual(open)
    for (const values of [{}, { cold: true }, { quick: true, with: 'undici,node:http2', cold: true }])
      expect(impolite(impositionOf(await planOf(url, values, false)))).toEqual([])
  })

  it('gives nobody more connections than the limit, unless the user agreed', async () => {
    const connections = async (values: PlanValues) =>
      (await planOf(url, values, false)).subjects.map(subject => subject.connections)
    const values = { protocols: 'http/1.1,h2,h2x2,auto', with: 'undici' }
    expect(await connections(values)).toEqual([8, 0, 2, 8, 8])
    expect(await connections({ ...values, yes: true })).toEqual([0, 0, 2, 0, 0])
  })
})

describe('the usage of bench', () => {
  it.each([
    [[], 'exactly one URL'],
    [[URL_TEXT, URL_TEXT], 'exactly one URL'],
    [['ftp://a'], 'ftp'],
    [['https://u:p@a.example/'], 'user or a password'],
    [['--protocols', 'h9', 'https://127.0.0.1/'], 'no protocol called "h9"'],
    [['--with', 'got', 'https://127.0.0.1/'], 'no client called "got"'],
    [['--seconds', '3601', 'https://127.0.0.1/'], 'at most 3600'],
    [['--rounds', '0', 'https://127.0.0.1/'], '--rounds'],
    [['--burst', '20', '--rate', '5', 'https://127.0.0.1/'], 'neither --rate nor --concurrency'],
    [['--pause-ms', '20', 'https://127.0.0.1/'], '--pause-ms goes with --burst'],
    [['--loss', '1', 'https://127.0.0.1/'], '--loss 1: 1 % or 0.01?'],
    [['--loss', '2', 'https://127.0.0.1/'], '--loss 2: 2 % or 0.02?'],
    [['--loss', '101%', 'https://127.0.0.1/'], '--loss must be a share'],
    [['--reorder', '5', '--delay-ms', '9', 'https://127.0.0.1/'], '--reorder 5: 5 % or 0.05?'],
    [['--burst-loss', '1%,25', 'https://127.0.0.1/'], '25 % or 0.25?'],
    [['--data', '@/nowhere/at/all', 'https://127.0.0.1/'], '--data'],
    [['--json', '/nowhere/a.json', 'https://127.0.0.1/'], '--json: ENOENT'],
    [['--html', '/', 'https://127.0.0.1/'], '--html: / is a directory'],
    [['--json', '', 'https://127.0.0.1/'], '--json needs the name of a file'],
    [['--html=', 'https://127.0.0.1/'], '--html needs the name of a file'],
    [['--method', 'G ET', 'https://127.0.0.1/'], '--method'],
    [['--method', 'CONNECT', 'https://127.0.0.1/'], '--method'],
    [['--header', 'x y: 1', 'https://127.0.0.1/'], '--header'],
    [['--header', 'x(y): 1', 'https://127.0.0.1/'], 'no name of a field'],
    [['--header', 'x: \u0001', 'https://127.0.0.1/'], 'the value of x has a character'],
    [['--header', 'Content-Length: 5', 'https://127.0.0.1/'], 'content-length is for the client to say'],
    [['--expect-status', '9999', 'https://127.0.0.1/'], '--expect-status must be at most 599'],
    [['--resolve', '127.0.0.1:80:192.0.2.1', 'https://127.0.0.1/'], 'the URL is at 127.0.0.1:443'],
    [['--resolve', '127.0.0.1:443:not an address', 'https://127.0.0.1/'], 'not "not an address"'],
    [['--rate', '1e12', 'https://127.0.0.1/'], '--rate must be at most 100000'],
    [['--rate', '1e5', '--seconds', '3600', 'https://127.0.0.1/'], 'more than 20000000 requests'],
    [['--burst', '1000000000', 'https://127.0.0.1/'], '--burst must be at most'],
    [['--reorder', '5%', 'https://127.0.0.1/'], '--reorder goes with --delay-ms or --jitter-ms'],
    [['--compare', 'a.json'], 'two result files'],
    [['--compare', '/nowhere/a.json', '/nowhere/b.json'], '/nowhere/a.json'],
    [['--protocol', 'h2', 'https://127.0.0.1/'], 'did you mean --protocols'],
  ])('is refused with exit code 2: %o', async (args, complaint) => {
    const { exitCode, err } = await bench(args)
    expect(exitCode).toBe(2)
    expect(err).toContain(complaint)
  })
})

describe('the options of bench', () => {
  it('are by default, on this machine, a closed loop and four subjects', async () => {
    const plan = await planOf(url, {}, true)
    expect(plan).toMatchObject({
      arrival: { kind: 'closed', concurrency: 8 },
      rounds: 6,
      measure: { seconds: 3, requests: Number.POSITIVE_INFINITY },
      request: { method: 'GET', path: '/a?b=c' },
      isCold: false,
      conditions: undefined,
    })
    expect(plan.subjects.map(({ name }) => name)).toEqual(['http/1.1x6', 'h2', 'h3', 'auto'])
  })

  it('compare HTTP/1.1 alone in cleartext', async () => {
    const { subjects } = await planOf(new URL('http://origin.example/'), {}, true)
    expect(subjects.map(({ name }) => name)).toEqual(['http/1.1x6'])
  })

  it('make an open loop of a rate, and bound by --concurrency how many may be under way', async () => {
    const { arrival } = await planOf(url, { rate: '50', concurrency: '7' }, true)
    expect(arrival).toEqual({ kind: 'open', perSecond: 50, spacing: 'poisson', maxInFlight: 7 })
  })

  it('make a burst of so many requests at once, with a pause or without', async () => {
    const arrival = async (values: PlanValues) => (await planOf(url, values, true)).arrival
    expect(await arrival({ burst: '20' })).toEqual({ kind: 'bursts', requests: 20, pauseMs: 0 })
    const paused = { kind: 'bursts', requests: 20, pauseMs: 500 }
    expect(await arrival({ burst: '20', 'pause-ms': '500' })).toEqual(paused)
  })

  it('imply resumption by early data, and cold requests one at a time by resumption', async () => {
    expect(await planOf(url, { 'early-data': true }, true)).toMatchObject({
      isEarly: true,
      isResumed: true,
      isCold: true,
      arrival: { kind: 'closed', concurrency: 1 },
    })
    expect(await planOf(url, { resumed: true }, true)).toMatchObject({ isEarly: false, isCold: true })
  })

  it('imply one request at a time by resumption elsewhere too, unless there is a rate', async () => {
    const resumed = await planOf(url, { resumed: true }, false)
    expect(resumed.arrival).toEqual({ kind: 'closed', concurrency: 1 })
    expect(impolite(impositionOf(resumed))).toEqual([])
    const { arrival } = await planOf(url, { resumed: true, rate: '5' }, false)
    expect(arrival).toMatchObject({ kind: 'open', perSecond: 5 })
  })

  it('make a POST of a request with a body', async () => {
    const { request } = await planOf(url, { data: 'ab', header: ['X-A: b'] }, true)
    expect(request).toMatchObject({ method: 'POST', headers: ['x-a', 'b'], body: Buffer.from('ab') })
  })

  it('drop the fragment of the URL', () => {
    expect(urlOption('https://a.example/x#y').href).toBe('https://a.example/x')
  })
})

describe('an impaired path of bench', () => {
  it('has the same impairments in both directions', () => {
    const conditions = {
      delayMs: 20,
      jitterMs: 5,
      lossRate: 0.01,
      bursts: { enterRate: 0.005, leaveRate: 0.25, lossRate: 0.5 },
      bytesPerSecond: 1_250_000,
      reorderRate: 0.02,
    }
    const values = {
      'delay-ms': '20',
      'jitter-ms': '5',
      loss: '1%',
      'burst-loss': '0.5%,25%,0.5',
      'rate-limit': '10mbit',
      reorder: '.02',
    }
    expect(conditionsOption(values)).toEqual({ toServer: conditions, toClient: conditions })
    expect(conditionsOption({})).toBeUndefined()
    expect(conditionsOption({ reorder: '0' })?.toClient).toEqual({ reorderRate: 0 })
    expect(conditionsOption({ reorder: '1%', 'jitter-ms': '5' })?.toClient).toMatchObject({
      reorderRate: 0.01,
    })
  })

  it.each([
    [{ 'delay-ms': '-1' }],
    [{ 'jitter-ms': 'x' }],
    [{ loss: '101%' }],
    [{ loss: '1 %' }],
    [{ 'burst-loss': '1%' }],
    [{ 'burst-loss': '1%,2%,3%,4%' }],
    [{ 'rate-limit': '0' }],
    [{ 'rate-limit': '10MB' }],
  ])('is refused with %o', values => {
    expect(() => conditionsOption(values)).toThrow(Object.keys(values)[0])
  })
})

describe('a result file of bench', () => {
  it('contains no values of header fields, and no body', async () => {
    const args = ['--header', 'Authorization: secret', '--header=x-key: secret', '--data', 'secret', URL_TEXT]
    expect(publicArguments(args)).toEqual([
      '--header',
      'Authorization: …',
      '--header',
      'x-key: …',
      '--data',
      '…',
      URL_TEXT,
    ])
    const plan = await planOf(url, { header: ['Authorization: secret'], data: 'secret' }, true)
    expect(JSON.stringify(planSettings(plan))).not.toContain('secret')
    expect(planSettings(plan)).toMatchObject({ headers: ['authorization'], bodyBytes: 6 })
  })
})
