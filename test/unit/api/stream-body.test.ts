import { Readable } from 'node:stream'
import { describe, expect, it } from 'vitest'
import { StreamBody } from '../../../src/api/stream-body.ts'
import type { TransportError } from '../../../src/base/errors.ts'
import type { BodySink } from '../../../src/base/http/exchange.ts'
import { collectFaults, DEFECT, fail } from '../../support/collected-faults.ts'

describe('a stream as a request body', () => {
  it.each(['write', 'end'] as const)(
    'a defect in the %s of its taker fails the body, and nothing else',
    async method => {
      const heard = collectFaults()
      const stream = Readable.from([Buffer.from('a'), Buffer.from('b')])
      const failed = new Promise<TransportError>(resolve => {
        const sink: BodySink = { write: () => true, end: () => {}, fail: resolve, [method]: fail }
        new StreamBody(() => stream, false, undefined).attach(sink)
      })
      expect(await failed).toMatchObject({ code: 'MM_INTERNAL', cause: DEFECT })
      expect(heard()).toEqual([`an event of a request body: ${String(DEFECT)}`])
      expect(stream.destroyed).toBe(true)
    },
  )
})
