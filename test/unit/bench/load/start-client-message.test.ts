import { describe, expect, it } from 'vitest'
import { parseFromClient, parseToClient } from '../../../../src/bench/load/start-client.ts'
import { JOB } from './fake-bench-client.ts'

const START = {
  kind: 'start',
  module: 'file:///x.js',
  make: 'x',
  setting: { origins: ['https://a'], connections: 0 },
}
const REPORT = {
  requests: 1,
  failures: 0,
  wallMs: 1,
  cpuMs: 1,
  objects: [],
  latency: { buckets: [] },
  firstByte: { buckets: [] },
}

describe('a message to a client process', () => {
  it.each([[START], [{ kind: 'run', job: JOB }], [{ kind: 'measure' }]])(
    'is accepted as it is: %o',
    message => {
      expect(parseToClient(message)).toEqual(message)
    },
  )

  it.each([
    [undefined],
    ['start'],
    [{ kind: 'other' }],
    [{ ...START, module: 1 }],
    [{ ...START, setting: { origins: [], connections: 0 } }],
    [{ kind: 'run', job: { ...JOB, requests: [] } }],
    [{ kind: 'run', job: { ...JOB, arrival: { kind: 'sometimes' } } }],
    [{ kind: 'run', job: { ...JOB, measure: { requests: 1 } } }],
    [{ kind: 'run', job: { ...JOB, client: 'another' } }],
  ])('is refused where it is none of ours: %o', message => {
    expect(() => parseToClient(message)).toThrow('does not understand')
  })
})

describe('the answer of a client process', () => {
  it.each([
    [{ kind: 'ready' }],
    [{ kind: 'warm' }],
    [{ kind: 'failed', because: 'x' }],
    [{ kind: 'report', report: REPORT }],
  ])('is accepted as it is: %o', message => {
    expect(parseFromClient(message)).toEqual(message)
  })

  it.each([
    [null],
    [{ kind: 'failed' }],
    [{ kind: 'report', report: { ...REPORT, latency: {} } }],
    [{ kind: 'report', report: { ...REPORT, cpuMs: 'much' } }],
  ])('is refused where it is none of ours: %o', message => {
    expect(() => parseFromClient(message)).toThrow('nobody understands')
  })
})
