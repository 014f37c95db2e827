import { describe, expect, it } from 'vitest'
import type { BodySource, ExchangeRequest } from '../../../../../src/base/http/exchange.ts'
import { prepareRequest } from '../../../../../src/http/multiplex/messages/outgoing-request.ts'
import { requestOf } from '../../../../contract/contract-bench.ts'
import { ScriptedSource } from '../../../../contract/scripted-source.ts'

const prepared = (overrides: Partial<ExchangeRequest>) => prepareRequest(requestOf(overrides))
const source = (length?: number): BodySource => new ScriptedSource(length)

describe('a request that is made for HTTP/2', () => {
  it('keeps its list as it is where nothing has to be added', () => {
    const headers = ['accept', '*/*']
    const request = prepared({ headers, path: '/a?b' })
    expect(request.headers).toBe(headers)
    expect(request).toMatchObject({
      method: 'GET',
      scheme: 'http',
      authority: 'origin.example',
      path: '/a?b',
      protocol: undefined,
      acceptsTrailers: true,
      bodyLength: undefined,
    })
  })

  it.each([
    ['POST without a body', { method: 'POST' }, '0'],
    ['PUT without a body', { method: 'PUT' }, '0'],
    ['an empty body', { method: 'DELETE', body: Buffer.alloc(0) }, '0'],
    ['a body in memory', { method: 'POST', body: Buffer.from('four') }, '4'],
    ['a source of known length', { method: 'POST', body: source(7) }, '7'],
    ['a source of unknown length', { method: 'POST', body: source() }, undefined],
    ['DELETE without a body', { method: 'DELETE' }, undefined],
  ] as [string, Partial<ExchangeRequest>, string | undefined][])(
    'has its length where it is known: %s',
    (_title, overrides, length) => {
      const { headers, bodyLength } = prepared(overrides)
      expect(headers).toEqual(length === undefined ? [] : ['content-length', length])
      expect(bodyLength).toBe(length === undefined ? undefined : Number(length))
    },
  )

  it('keeps a length that is in the list, and enforces it on a source', () => {
    const headers = ['content-length', '12']
    expect(prepared({ method: 'POST', body: source(), headers })).toMatchObject({ headers, bodyLength: 12 })
    expect(prepared({ headers: ['content-length', '0'] })).toMatchObject({ bodyLength: 0 })
  })

  it.each([
    ['another length than the body has', { body: Buffer.from('four'), headers: ['content-length', '3'] }],
    ['another length than the source has', { body: source(4), headers: ['content-length', '5'] }],
    ['a length without a body', { headers: ['content-length', '3'] }],
    ['a length that is no number', { body: source(), headers: ['content-length', '0x3'] }],
    ['a length above what a number holds', { body: source(), headers: ['content-length', '1'.repeat(16)] }],
    ['two lengths', { body: source(), headers: ['content-length', '3', 'content-length', '3'] }],
    ['a tunnel with a body', { upgrade: 'websocket', body: Buffer.from('x') }],
    ['a tunnel with a source', { method: 'CONNECT', path: '', body: source(0) }],
    ['a tunnel with a length', { upgrade: 'websocket', headers: ['content-length', '3'] }],
    ['CONNECT with a path', { method: 'CONNECT', path: '/a' }],
  ] as [string, Partial<ExchangeRequest>][])('is refused with %s', (_title, overrides) => {
    expect(() => prepared({ method: 'POST', ...overrides })).toThrow(
      expect.objectContaining({ code: 'MM_INVALID_ARGUMENT' }),
    )
  })

  it('becomes an extended CONNECT when it asks for a protocol, without what only HTTP/1.1 needs', () => {
    const headers = ['sec-websocket-key', 'abc', 'sec-websocket-version', '13', 'content-length', '0']
    const request = prepared({ upgrade: 'WebSocket', scheme: 'https', path: '/chat', headers })
    expect(request).toEqual({
      method: 'CONNECT',
      scheme: 'https',
      authority: 'origin.example',
      path: '/chat',
      protocol: 'websocket',
      acceptsTrailers: false,
      headers: ['sec-websocket-version', '13'],
      bodyLength: undefined,
    })
  })

  it('is CONNECT with neither scheme nor path', () => {
    expect(
      prepared({ method: 'CONNECT', authority: 'far.example:22', path: 'far.example:22' }),
    ).toMatchObject({
      method: 'CONNECT',
      scheme: '',
      path: '',
      authority: 'far.example:22',
      protocol: undefined,
      acceptsTrailers: false,
    })
  })
})
