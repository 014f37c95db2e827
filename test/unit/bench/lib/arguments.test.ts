import { describe, expect, it } from 'vitest'
import { parseBenchArguments, parseComparison } from '../../../../bench/lib/arguments.ts'
import { parseCpuList } from '../../../../bench/lib/cpus.ts'
import { formatNumber, formatTable } from '../../../../src/bench/report/table.ts'

const parse = (...args: string[]) => parseBenchArguments(args, ['forward', 'client'], 'results')

describe('parseBenchArguments', () => {
  it('runs every scenario and every size when nothing is given', () => {
    expect(parse()).toEqual({
      scenarios: ['forward', 'client'],
      rounds: 6,
      seconds: 6,
      warmUpSeconds: 3,
      sizes: ['1k', '100k', '10m', '200m'],
      subjects: [],
      cases: [],
      seed: 1,
      isQuick: false,
      output: 'results',
      html: undefined,
    })
  })

  it('takes --quick as other defaults, which options still overrule', () => {
    expect(parse('client', '--quick', '--rounds', '2', '--subjects', 'nginx,haproxy', '--no-write')).toEqual({
      scenarios: ['client'],
      rounds: 2,
      seconds: 0.5,
      warmUpSeconds: 0.2,
      sizes: ['1k'],
      subjects: ['nginx', 'haproxy'],
      cases: [],
      seed: 1,
      isQuick: true,
      output: undefined,
      html: undefined,
    })
  })

  it('keeps the results of quick runs apart, unless given another place', () => {
    expect(parse('--quick').output).toBe('results/tmp')
    expect(parse('--quick', '--output', 'elsewhere').output).toBe('elsewhere')
  })

  it('takes a seed and a place for the page, which --no-write overrules', () => {
    expect(parse('--seed', '7', '--html', 'page.html')).toMatchObject({ seed: 7, html: 'page.html' })
    expect(parse('--html', 'page.html', '--no-write').html).toBeUndefined()
  })

  it('refuses what it does not know', () => {
    expect(() => parse('forwards')).toThrow('no scenario called forwards: forward, client')
    expect(() => parse('--sizes', '1k,2k')).toThrow('no size called 2k: 1k, 100k, 10m, 200m')
    expect(() => parse('--rounds', '0')).toThrow('--rounds must be a number above 0, not 0')
    expect(() => parse('--seconds', 'ten')).toThrow('--seconds must be a number above 0, not ten')
    expect(() => parse('--round', '3')).toThrow(/--round/)
  })
})

describe('parseComparison', () => {
  it('wants two files and nothing else', () => {
    expect(parseComparison(['forward', '--quick'])).toBeUndefined()
    expect(parseComparison(['--compare', 'a.json', 'b.json'])).toEqual(['a.json', 'b.json'])
    for (const args of [
      ['--compare'],
      ['--compare', 'a'],
      ['--compare', 'a', 'b', 'c'],
      ['--compare', 'a', '--quick'],
    ])
      expect(() => parseComparison(args)).toThrow('--compare takes two result files and nothing else')
  })
})

describe('parseCpuList', () => {
  it('expands ranges', () => {
    expect(parseCpuList('0-2,5,7-8')).toEqual([0, 1, 2, 5, 7, 8])
    expect(parseCpuList('')).toEqual([])
  })
})

describe('formatTable', () => {
  it('aligns the first column left and the others right', () => {
    expect(
      formatTable(
        ['who', 'ms'],
        [
          ['nginx', '1'],
          ['us', '12.5'],
        ],
      ),
    ).toBe(['who      ms', '-----  ----', 'nginx     1', 'us     12.5'].join('\n'))
  })
})

describe('formatNumber', () => {
  it('keeps three significant digits and whole numbers', () => {
    expect([0, 100, 0.012_345, 1.005, 12.34, 45_165.2, undefined, Number.NaN].map(formatNumber)).toEqual([
      '0',
      '100',
      '0.0123',
      '1.00',
      '12.3',
      '45165',
      '-',
      '-',
    ])
  })
})
