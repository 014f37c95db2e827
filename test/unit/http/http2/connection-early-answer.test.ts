import { expect, it } from 'vitest'
import { DEFAULT_RESPONSE_LIMITS } from '../../../../src/base/options/options.ts'
import { DEFAULT_HTTP2_OPTIONS } from '../../../../src/base/options/protocol-options.ts'
import { http2Connection } from '../../../../src/http/http2/connection.ts'
import { requestOf } from '../../../contract/contract-bench.ts'
import { RecordingHandler } from '../../../contract/recorder.ts'
import { RepeatingSource } from '../../../contract/scripted-source.ts'
import { earlyConnectionParts } from '../../../support/early-connection-parts.ts'
import { turns } from '../../../support/fake-early-gate.ts'
import { responseBlock } from '../../../support/http2-fields.ts'
import { data, FLAG, headers, resetStream, SETTINGS_ACK, settings } from '../../../support/http2-wire.ts'

it('an answer that came whole is not lost when the origin refuses the rest of a blocked upload and the reader stalls', async () => {
  const { options, socket, clock, log } = earlyConnectionParts()
  const connection = http2Connection({
    ...options,
    early: undefined,
    limits: DEFAULT_RESPONSE_LIMITS,
    http2: DEFAULT_HTTP2_OPTIONS,
  })
  socket.receive(Buffer.concat([settings(), SETTINGS_ACK]))
  const source = new RepeatingSource(Buffer.alloc(16_384), 1000)
  const handler = new RecordingHandler(log, '')
  connection.open(requestOf({ method: 'POST', body: source, bodyTimeoutMs: 1000 }), handler)
  await turns()
  handler.controller?.pause()
  const answer = [headers(1, responseBlock()), data(1, 'answer', FLAG.END_STREAM)]
  socket.receive(Buffer.concat([...answer, resetStream(1, 'NO_ERROR')]))
  await turns()
  // Nobody waits for the rest of it, and nobody makes it any more.
  expect([source.isCancelled, source.sent < 1000]).toEqual([true, true])
  clock.advance(1500)
  handler.controller?.resume()
  await turns()
  expect([handler.error, handler.status, handler.body.toString()]).toEqual([undefined, 200, 'answer'])
  expect(log.filter(line => line === 'stream-closed')).toHaveLength(1)
})
