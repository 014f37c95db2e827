import { describe, expect, it } from 'vitest'
import { jsonTextRecord, traceHeader } from '../../../../src/api/qlog/qlog-file.ts'
import { readJsonSequence } from '../../../support/json-sequence.ts'

describe('the header of a trace', () => {
  it('names schema and format where tools look for them, and a clock without an epoch', () => {
    const record = jsonTextRecord(traceHeader('2026-11-22T12:00:00.000Z'))
    expect(record.slice(0, 256)).toContain('"file_schema":"urn:ietf:params:qlog:file:sequential"')
    expect(record.slice(0, 256)).toContain('"serialization_format":"application/qlog+json-seq"')
    expect(readJsonSequence(record)).toMatchObject([
      {
        trace: {
          vantage_point: { type: 'client' },
          common_fields: {
            reference_time: {
              clock_type: 'monotonic',
              epoch: 'unknown',
              wall_clock_time: '2026-11-22T12:00:00.000Z',
            },
          },
          event_schemas: expect.arrayContaining(['urn:ietf:params:qlog:events:hev3-00']) as unknown,
        },
      },
    ])
  })

  it('has one schema for each namespace of its events', () => {
    const { trace } = traceHeader('x') as { trace: { event_schemas: string[] } }
    expect(trace.event_schemas).toHaveLength(3)
    for (const schema of trace.event_schemas)
      expect(schema).toMatch(/^urn:(?:ietf:params:qlog:events|uuid):[\w-]+$/)
  })
})

describe('a record', () => {
  it('contains no record separator but its own, whatever a peer wrote', () => {
    const value = { text: 'a\u001e{"forged":1}\nb' }
    const record = jsonTextRecord(value)
    expect(record.lastIndexOf('\u001e')).toBe(0)
    expect(record.indexOf('\n')).toBe(record.length - 1)
    expect(readJsonSequence(record)).toEqual([value])
  })
})
