import { createHash } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { main } from '../../../../src/cli/main.ts'
import { PLAIN_SCREEN } from '../../../../src/cli/terminal.ts'
import { type ExchangeInfo, TransportError } from '../../../../src/index.ts'
import { fakeIo, INFO, response } from '../fake-io.ts'

const URL_A = 'https://a.example/x'

describe('the human-readable output of get', () => {
  it('shows one request in full', async () => {
    const { io, out } = fakeIo()
    expect(await main(['get', URL_A], io)).toBe(0)
    for (const text of [
      'status',
      '200',
      '5 bytes',
      createHash('sha256').update('hello').digest('hex'),
      'http/1.1#7 new, 192.0.2.1:443',
      'x-sum: 1',
    ]) {
      expect(out()).toContain(text)
    }
    expect(out()).toMatch(/^ {3}queue {7}dns {6}connect {6}tls {8}ttfb {7}body$/m)
    expect(out()).toMatch(
      /^\[ +[\d.]+ ms +\| +2.0 ms +\| +3.0 ms +\| +4.0 ms +\| +5.0 ms +\| +[\d.]+ ms +\]$/m,
    )
    expect(out()).toMatch(/ 920\.3 ms in all$/m)
  })

  it('adds the phases up to the total, as they are shown', async () => {
    const { io, out } = fakeIo()
    expect(await main(['get', URL_A], io)).toBe(0)
    const shown = (/^\[(.*)\]$/m.exec(out())?.[1] ?? '').split('|').map(cell => Number.parseFloat(cell))
    expect(shown).toHaveLength(6)
    expect(shown.reduce((sum, ms) => sum + ms, 0)).toBeCloseTo(920.3, 5)
  })

  it('shows each attempt with its reason, and the error of each that failed', async () => {
    const attempts: ExchangeInfo['attempts'] = [
      {
        protocol: 'h3',
        endpoint: '192.0.2.1:443',
        startedAtMs: 0,
        outcome: 'failed',
        because: 'an alternative says so',
        error: 'refused',
      },
      {
        protocol: 'h3',
        endpoint: '[2001:db8::1]:443',
        startedAtMs: 20.04,
        outcome: 'overtaken',
        because: 'second address',
      },
      {
        protocol: 'h2',
        endpoint: '192.0.2.1:443',
        startedAtMs: 250.26,
        outcome: 'connected',
        because: 'TCP joins',
      },
    ]
    const expected = [
      'h3 192.0.2.1:443 after 0 ms: failed (refused) — because an alternative says so',
      'h3 [2001:db8::1]:443 after 20 ms: overtaken — because second address',
      'h2 192.0.2.1:443 after 250.3 ms: connected — because TCP joins',
    ]
    const onRequest = async (_url: string, _options: unknown, index: number) =>
      response([], {
        info: { ...INFO, attempts: index === 1 ? INFO.attempts : attempts, reused: index === 2 },
      })
    const one = fakeIo({ onRequest })
    expect(await main(['get', URL_A], one.io)).toBe(0)
    expect(
      one
        .out()
        .match(/^attempt +(.*)$/gm)
        ?.map(line => line.replace(/^attempt +/, '')),
    ).toEqual(expected)
    const three = fakeIo({ onRequest })
    expect(await main(['get', '-n', '3', URL_A], three.io)).toBe(0)
    expect(
      three.out().match(/^ {2}\S.* — because .*$/gm),
      'only beneath the raced request: not beneath a single attempt, nor what was reused',
    ).toEqual(expected.map(line => `  ${line}`))
  })

  it('shows what became of Fast Open and early data, and why they fell back', async () => {
    const infos: ExchangeInfo[] = [
      { ...INFO, tfo: 'fallback', tfoBecause: 'the kernel had no cookie yet' },
      { ...INFO, tfo: 'used', resumed: true, earlyData: 'accepted' },
      { ...INFO, resumed: true, earlyData: 'rejected' },
      { ...INFO, reused: true },
    ]
    const onRequest = async (_url: string, _options: unknown, index: number) =>
      response([], { info: infos[index]! })
    const json = fakeIo({ onRequest })
    expect(await main(['get', '--json', '-n', '4', URL_A], json.io)).toBe(0)
    const [fallback, used] = json
      .out()
      .trimEnd()
      .split('\n')
      .map(line => JSON.parse(line) as unknown)
    expect(fallback).toMatchObject({ tfo: 'fallback', tfoBecause: 'the kernel had no cookie yet' })
    expect(used).toMatchObject({ tfo: 'used', earlyData: 'accepted' })
    expect(used).not.toHaveProperty('tfoBecause')
    const one = fakeIo({ onRequest })
    expect(await main(['get', URL_A], one.io)).toBe(0)
    expect(one.out()).toMatch(/^fast open +fallback — because the kernel had no cookie yet$/m)
    expect(one.out()).not.toMatch(/^early data/m)
    const several = fakeIo({ onRequest })
    expect(await main(['get', '-n', '4', URL_A], several.io)).toBe(0)
    expect(several.out().match(/^ {2}(?:fast open|early data).*$/gm)).toEqual([
      '  fast open: fallback — because the kernel had no cookie yet',
      '  fast open: used',
      '  early data: accepted',
      '  early data: rejected',
    ])
  })

  it('shows several in a table, and the summary with percentiles', async () => {
    const onRequest = async (_url: string, _options: unknown, index: number) =>
      response([], {
        info: { ...INFO, reused: index > 0, timings: { ...INFO.timings, totalMs: index + 1 } },
      })
    const { io, out } = fakeIo({ onRequest })
    expect(await main(['get', '-n', '10', URL_A], io)).toBe(0)
    expect(out().match(/http\/1\.1#7 reused/g)).toHaveLength(9)
    expect(out()).toContain('1 new, 90.0 % of the requests found one')
    expect(out()).toContain('min 1.0  p50 5.0  p90 9.0  p99 10.0  max 10.0 ms')
  })

  it('lists failures only when there are many', async () => {
    const onRequest = async (_url: string, _options: unknown, index: number) => {
      if (index === 5) throw new TransportError('MM_HEADERS_TIMEOUT', 'late')
      return response([])
    }
    const { io, out } = fakeIo({ onRequest })
    expect(await main(['get', '-n', '100', URL_A], io)).toBe(1)
    expect(out().match(/^failed .*\n {2}MM_HEADERS_TIMEOUT: late$/gm)).toHaveLength(1)
    expect(
      out()
        .split('\n')
        .filter(line => /^(?:failed|200) /.test(line)),
    ).toHaveLength(1)
    expect(out()).toContain('100, 1 failed')
  })

  it('names the URL of each of several: behind its figures, or beneath them where a terminal has no room there', async () => {
    const urls = [URL_A, 'https://b.example/a/path/that/is/long']
    const piped = fakeIo()
    expect(await main(['get', ...urls], piped.io)).toBe(0)
    expect(piped.out().match(/ {2}(?:url|https:\S+)$/gm)).toEqual(['  url', ...urls.map(url => `  ${url}`)])
    for (const [columns, pattern] of [
      [80, /^ {2}https:\S+$/gm],
      [160, / \d+\.\d {2}https:\S+$/gm],
    ] as const) {
      const { io, out } = fakeIo({ screen: { ...PLAIN_SCREEN, isTerminal: true, columns } })
      expect(await main(['get', ...urls], io)).toBe(0)
      expect(out().match(pattern)).toHaveLength(2)
      for (const row of out().split('\n')) expect(row.length).toBeLessThanOrEqual(columns)
    }
  })
})
