import { describe, expect, it } from 'vitest'
import { NO_HEADERS } from '../../../../../src/base/http/headers.ts'
import { readResponseHead } from '../../../../../src/http/multiplex/messages/head-rules.ts'
import { MessageFault } from '../../../../../src/http/multiplex/messages/message-head.ts'
import { readTrailers } from '../../../../../src/http/multiplex/messages/regular-fields.ts'

type Rows = [section: string, what: string, names: string, fields: string[]][]

function faultOf(act: () => unknown): MessageFault | undefined {
  try {
    act()
  } catch (error) {
    if (error instanceof MessageFault) return error
    throw error
  }
  return undefined
}

const MALFORMED: Rows = [
  ['RFC 9113 8.3.2', 'no :status', ':status', ['a', '1']],
  ['RFC 9113 8.3.2', 'nothing', ':status', []],
  ['RFC 9113 8.3', ':status twice', ':status', [':status', '200', ':status', '200']],
  ['RFC 9113 8.3', ':status behind a field', ':status', ['a', '1', ':status', '200']],
  ['RFC 9113 8.3', 'a second one behind a field', ':status', [':status', '200', 'a', '1', ':status', '200']],
  ...[':method', ':path', ':scheme', ':authority', ':protocol', ':x'].map<Rows[number]>(name => [
    'RFC 9113 8.3',
    `${name} in a response`,
    name,
    [':status', '200', name, '/'],
  ]),
  ...['', '20', '2000', '099', '000', '2x0', 'x00', '20x', ' 20', '+20', '2.0', '-20', '２００'].map<
    Rows[number]
  >(status => ['RFC 9113 8.3.2', `the status ${JSON.stringify(status)}`, ':status', [':status', status]]),
  ['RFC 9113 8.6', 'the status 101', ':status', [':status', '101']],
  ['RFC 9113 8.2.1', 'an upper-case name', 'Server', [':status', '200', 'Server', 'x']],
  ['RFC 9113 8.2.1', 'a split response', 'x-a', [':status', '200', 'x-a', '1\r\nset-cookie: b=1']],
  ['RFC 9113 8.2.1', 'whitespace at the ends', 'x-a', [':status', '200', 'x-a', ' 1']],
  ...['connection', 'keep-alive', 'proxy-connection', 'transfer-encoding', 'upgrade'].map<Rows[number]>(
    name => ['RFC 9113 8.2.2', name, name, [':status', '200', name, 'x']],
  ),
  ['RFC 9113 8.2.2', 'TE is for requests', 'te', [':status', '200', 'te', 'trailers']],
  ...['100', '103', '199', '204'].map<Rows[number]>(status => [
    'RFC 9110 8.6',
    `${status} with a length`,
    'content-length',
    [':status', status, 'content-length', '5'],
  ]),
  ['RFC 9110 8.6', 'a length that is none', 'content-length', [':status', '304', 'content-length', 'x']],
  [
    'RFC 9110 8.6',
    'two lengths',
    'content-length',
    [':status', '200', 'content-length', '1', 'content-length', '2'],
  ],
]

describe('readResponseHead', () => {
  it.each(MALFORMED)('refuses with PROTOCOL_ERROR: %s: %s (%s)', (_, _what, name, fields) => {
    const fault = faultOf(() => readResponseHead(fields))
    expect(fault).toBeInstanceOf(MessageFault)
    expect(fault?.message).toContain(`: ${name}`)
  })

  it.each<[string, string[], ReturnType<typeof readResponseHead>]>([
    [
      'a head',
      [':status', '200', 'server', 'x', 'content-length', '7'],
      { status: 200, headers: ['server', 'x', 'content-length', '7'], contentLength: 7 },
    ],
    ['a status alone', [':status', '999'], { status: 999, headers: [], contentLength: undefined }],
    [
      'early hints',
      [':status', '103', 'link', 'x'],
      { status: 103, headers: ['link', 'x'], contentLength: undefined },
    ],
    [
      'a length of 304, which is that of another answer',
      [':status', '304', 'content-length', '7'],
      { status: 304, headers: ['content-length', '7'], contentLength: 7 },
    ],
    [
      '204 with a length of 0, which is left out',
      [':status', '204', 'content-length', '0', 'a', '1'],
      { status: 204, headers: ['a', '1'], contentLength: undefined },
    ],
    [
      'several Set-Cookie as they are',
      [':status', '200', 'set-cookie', 'a=1', 'set-cookie', 'b=2'],
      { status: 200, headers: ['set-cookie', 'a=1', 'set-cookie', 'b=2'], contentLength: undefined },
    ],
    [
      'Host, which is left out',
      [':status', '200', 'host', 'a', 'x', '1'],
      { status: 200, headers: ['x', '1'], contentLength: undefined },
    ],
  ])('takes %s', (_, fields, head) => {
    expect(readResponseHead(Object.freeze(fields))).toEqual(head)
  })
})

describe('readTrailers', () => {
  it.each<Rows[number]>([
    ['RFC 9113 8.1', 'a pseudo-field', ':status', [':status', '200']],
    ['RFC 9113 8.1', 'a pseudo-field behind another', ':path', ['a', '1', ':path', '/']],
    ['RFC 9113 8.2.1', 'an upper-case name', 'Grpc', ['Grpc', '0']],
    ['RFC 9113 8.2.1', 'a control character', 'a', ['a', '\n']],
    ['RFC 9113 8.2.2', 'Transfer-Encoding', 'transfer-encoding', ['transfer-encoding', 'chunked']],
    ['RFC 9113 8.2.2', 'Connection', 'connection', ['connection', 'close']],
    ['RFC 9113 8.2.2', 'TE', 'te', ['te', 'trailers']],
  ])('refuses with PROTOCOL_ERROR: %s: %s (%s)', (_, _what, name, fields) => {
    const fault = faultOf(() => readTrailers(fields))
    expect(fault).toBeInstanceOf(MessageFault)
    expect(fault?.message).toContain(`: ${name}`)
  })

  it('gives the list itself when nothing has to be left out', () => {
    const fields = ['grpc-status', '0', 'grpc-message', '']
    expect(readTrailers(fields)).toBe(fields)
    expect(readTrailers([])).toBe(NO_HEADERS)
  })

  it.each(['host', 'content-length', 'authorization', 'cookie', 'set-cookie', 'content-type', 'forwarded'])(
    'leaves %s out (RFC 9110 6.5.1)',
    name => {
      expect(readTrailers(['a', '1', name, '5', 'b', '2'])).toEqual(['a', '1', 'b', '2'])
      expect(readTrailers([name, '5'])).toBe(NO_HEADERS)
    },
  )
})
