import { describe, expect, it } from 'vitest'
import { encodeChunkHead, encodeLastChunk } from '../../../../../src/http/http1/codec/field-encoder.ts'
import { encodeRequestHead, encodeResponseHead } from '../../../../../src/http/http1/codec/head-encoder.ts'
import { decodeRequests } from './decoding.ts'

const GET = { method: 'GET', authority: 'a', path: '/', headers: [] as string[] }
const refused = expect.objectContaining({ code: 'MM_INVALID_ARGUMENT', processed: 'no' })

describe('encodeRequestHead', () => {
  it('writes the origin-form, and Host first', () => {
    expect(encodeRequestHead({ ...GET, path: '/x?y', headers: ['accept', '*/*', 'x-a', ''] }, 'none')).toBe(
      'GET /x?y HTTP/1.1\r\nhost: a\r\naccept: */*\r\nx-a: \r\n\r\n',
    )
  })

  it.each([
    [{ ...GET, method: 'POST' }, 5, 'content-length: 5\r\n'],
    [{ ...GET, method: 'POST' }, 'chunked', 'transfer-encoding: chunked\r\n'],
    [{ ...GET, method: 'POST' }, 'none', 'content-length: 0\r\n'],
    [{ ...GET, method: 'DELETE' }, 'none', ''],
    [{ ...GET, method: 'DELETE', headers: ['content-length', '0'] }, 'none', 'content-length: 0\r\n'],
    [{ ...GET, method: 'PUT', headers: ['content-length', '007'] }, 7, 'content-length: 7\r\n'],
    [{ ...GET, upgrade: 'websocket' }, 'none', 'connection: upgrade\r\nupgrade: websocket\r\n'],
  ] as const)('frames %j as %s', (request, framing, lines) => {
    expect(encodeRequestHead(request, framing)).toMatch(new RegExp(`\r\nhost: a\r\n${lines}\r\n$`))
  })

  it('writes CONNECT in authority-form and OPTIONS with *', () => {
    expect(encodeRequestHead({ ...GET, method: 'CONNECT', authority: 'a:443', path: '' }, 'none')).toBe(
      'CONNECT a:443 HTTP/1.1\r\nhost: a:443\r\n\r\n',
    )
    expect(encodeRequestHead({ ...GET, method: 'OPTIONS', path: '*' }, 'none')).toContain(
      'OPTIONS * HTTP/1.1\r\n',
    )
  })

  it.each([
    ['an empty method', { method: '' }],
    ['a method with a space', { method: 'GET /x' }],
    ['a path with a line break', { path: '/\r\nx' }],
    ['a path with a space', { path: '/a HTTP/1.1' }],
    ['a path with a fragment', { path: '/a#b' }],
    ['a path above ASCII', { path: '/\xe9' }],
    ['a path whose low byte is a line feed', { path: '/\u010a' }],
    ['an absolute path', { path: 'http://b/' }],
    ['an empty path', { path: '' }],
    ['* for GET', { path: '*' }],
    ['CONNECT with another target', { method: 'CONNECT', authority: 'a:1', path: 'b:1' }],
    ['an authority with a line break', { authority: 'a\r\nx: y' }],
    ['an empty authority', { authority: '' }],
    ['a name with a colon', { headers: ['a:b', 'c'] }],
    ['a name with a line break', { headers: ['a\r\n', 'c'] }],
    ['an empty name', { headers: ['', 'c'] }],
    ['a name in upper case', { headers: ['Content-Length', '0'] }],
    ['a value with CR', { headers: ['a', 'b\rc'] }],
    ['a value with LF', { headers: ['a', 'b\nc'] }],
    ['a value with NUL', { headers: ['a', 'b\0c'] }],
    ['a value whose low byte is a line feed', { headers: ['a', '\u560a'] }],
    ['host in the list', { headers: ['host', 'b'] }],
    ['transfer-encoding in the list', { headers: ['transfer-encoding', 'chunked'] }],
    ['connection in the list', { headers: ['connection', 'close'] }],
    ['upgrade in the list', { headers: ['upgrade', 'x'] }],
    ['te in the list', { headers: ['te', 'trailers'] }],
    ['keep-alive in the list', { headers: ['keep-alive', 'x'] }],
    ['a length without a body', { headers: ['content-length', '5'] }],
    ['an invalid length', { headers: ['content-length', 'x'] }],
    ['two lengths', { method: 'POST', headers: ['content-length', '0', 'content-length', '0'] }],
    ['an upgrade with a line break', { upgrade: 'a\r\nb' }],
    ['an upgrade with a list', { upgrade: 'a, b' }],
  ])('refuses %s', (_title, part) => {
    expect(() => encodeRequestHead({ ...GET, ...part }, 'none')).toThrow(refused)
  })

  it('refuses a length that is not that of the body', () => {
    const headers = ['content-length', '4']
    expect(() => encodeRequestHead({ ...GET, headers }, 5)).toThrow(refused)
    expect(() => encodeRequestHead({ ...GET, headers }, 'chunked')).toThrow(refused)
  })
})

describe('encodeResponseHead', () => {
  const persistent = { minorVersion: 1, keepAlive: true } as const

  it('writes the registered reason, or the given one', () => {
    expect(encodeResponseHead({ status: 404, headers: ['x', 'y'] }, 3, persistent)).toBe(
      'HTTP/1.1 404 Not Found\r\nx: y\r\ncontent-length: 3\r\n\r\n',
    )
    expect(encodeResponseHead({ status: 200, statusText: 'Fine', headers: [] }, 'chunked', persistent)).toBe(
      'HTTP/1.1 200 Fine\r\ntransfer-encoding: chunked\r\n\r\n',
    )
    expect(encodeResponseHead({ status: 299, headers: [] }, 0, persistent)).toContain('HTTP/1.1 299 \r\n')
  })

  it.each([
    [{ minorVersion: 1, keepAlive: true }, ''],
    [{ minorVersion: 1, keepAlive: false }, 'connection: close\r\n'],
    [{ minorVersion: 0, keepAlive: true }, 'connection: keep-alive\r\n'],
    [{ minorVersion: 0, keepAlive: false }, 'connection: close\r\n'],
  ] as const)('says whether the connection persists: %j', (connection, line) => {
    expect(encodeResponseHead({ status: 200, headers: [] }, 0, connection)).toBe(
      `HTTP/1.1 200 OK\r\n${line}content-length: 0\r\n\r\n`,
    )
  })

  it('passes on the length of a body that HEAD and 304 leave out, but none where none may be', () => {
    const headers = ['content-length', '5']
    expect(encodeResponseHead({ status: 200, headers }, 'none', persistent)).toContain('content-length: 5')
    expect(encodeResponseHead({ status: 304, headers }, 'none', persistent)).toContain('content-length: 5')
    expect(encodeResponseHead({ status: 204, headers }, 'none', persistent)).not.toContain('content-length')
  })

  it('writes informational responses without any field about the connection', () => {
    const connection = { minorVersion: 1, keepAlive: false } as const
    expect(encodeResponseHead({ status: 103, headers: ['link', 'x'] }, 'none', connection)).toBe(
      'HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n',
    )
    expect(
      encodeResponseHead({ status: 101, headers: [] }, 'none', { ...connection, upgrade: 'websocket' }),
    ).toBe('HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n')
  })

  it.each([
    ['a status below 100', { status: 99 }, 0],
    ['a status of four digits', { status: 1000 }, 0],
    ['a status that is no integer', { status: 200.5 }, 0],
    ['a body with 204', { status: 204 }, 5],
    ['chunks with 103', { status: 103 }, 'chunked'],
    ['a 101 to nothing', { status: 101 }, 'none'],
    ['a reason with a line break', { status: 200, statusText: 'OK\r\nx: y' }, 0],
    ['a value with a line break', { status: 200, headers: ['a', 'b\r\n\r\nHTTP/1.1 200 OK'] }, 0],
    ['a length that is not that of the body', { status: 200, headers: ['content-length', '4'] }, 5],
  ] as const)('refuses %s', (_title, response, framing) => {
    expect(() => encodeResponseHead({ headers: [], ...response }, framing, persistent)).toThrow(refused)
  })
})

describe('the chunk encoders', () => {
  it('write what the chunk reader reads back', () => {
    const head = encodeRequestHead({ ...GET, method: 'POST' }, 'chunked')
    const text = `${head}${encodeChunkHead(300)}${'x'.repeat(300)}\r\n${encodeLastChunk(['x-sum', '1'])}`
    const { messages, error } = decodeRequests(text)
    expect(error).toBeUndefined()
    expect(messages[0]).toMatchObject({ body: 'x'.repeat(300), trailers: ['x-sum', '1'] })
  })

  it('leave out fields that must not be trailers', () => {
    expect(encodeLastChunk(['content-length', '5', 'host', 'a', 'authorization', 'x', 'x-ok', 'y'])).toBe(
      '0\r\nx-ok: y\r\n\r\n',
    )
  })

  it('refuse trailers that would end early', () => {
    expect(() => encodeLastChunk(['x', 'a\r\n\r\nGET / HTTP/1.1'])).toThrow(refused)
    expect(() => encodeLastChunk(['x\r\n', 'a'])).toThrow(refused)
  })
})
