import { describe, expect, it } from 'vitest'
import { type HeaderList, NO_HEADERS } from '../../../../../src/base/http/headers.ts'
import { readRequestHead, readResponseHead } from '../../../../../src/http/multiplex/messages/head-rules.ts'
import { MessageFault } from '../../../../../src/http/multiplex/messages/message-head.ts'
import { readTrailers } from '../../../../../src/http/multiplex/messages/regular-fields.ts'

type Fields = readonly [name: string, value: string][]

const GET: Fields = [
  [':method', 'GET'],
  [':scheme', 'https'],
  [':authority', 'a.example'],
  [':path', '/'],
]
const CONNECT: Fields = [
  [':method', 'CONNECT'],
  [':authority', 'a.example:443'],
]
const WEBSOCKET: Fields = [
  [':method', 'CONNECT'],
  [':protocol', 'websocket'],
  [':scheme', 'https'],
  [':authority', 'a.example'],
  [':path', '/chat'],
]

/** `base` with some pseudo-fields changed (undefined: left out), and `rest` behind it. */
function having(base: Fields, changes: Record<string, string | undefined>, rest: Fields = []): Fields {
  const changed = base.flatMap<[string, string]>(([name, value]) => {
    const now = name in changes ? changes[name] : value
    return now === undefined ? [] : [[name, now]]
  })
  for (const [name, value] of Object.entries(changes)) {
    if (value !== undefined && !base.some(([other]) => other === name)) changed.push([name, value])
  }
  return [...changed, ...rest]
}
const plus = (base: Fields, ...rest: Fields): Fields => [...base, ...rest]

const read = (fields: Fields, allowsExtendedConnect = true) =>
  readRequestHead(fields.flat() as HeaderList, allowsExtendedConnect)

/** The code and what of the message names the culprit. */
function faultOf(act: () => unknown): MessageFault | undefined {
  try {
    act()
  } catch (error) {
    if (error instanceof MessageFault) return error
    throw error
  }
  return undefined
}

/** Each row is a MUST: where it stands, what breaks it, and which field the message names. */
const MALFORMED: [section: string, what: string, names: string, fields: Fields][] = [
  // Names (RFC 9113 8.2.1)
  ['8.2.1', 'an upper-case name', 'X-Up', plus(GET, ['X-Up', '1'])],
  ['8.2.1', 'one upper-case letter at the end', 'x-uP', plus(GET, ['x-uP', '1'])],
  ['8.2.1', 'an empty name', '(empty)', plus(GET, ['', '1'])],
  ...[
    '\0',
    '\x1f',
    ' ',
    '\t',
    '\r',
    '\n',
    '\x7f',
    '\x80',
    '\xff',
    ':',
    '(',
    '/',
    '"',
    '{',
    '=',
    '\u0141',
  ].map<(typeof MALFORMED)[number]>(character => [
    '8.2.1',
    `a name with ${JSON.stringify(character)}`,
    'x',
    plus(GET, [`x${character}y`, '1']),
  ]),
  // Values (8.2.1, RFC 9110 5.5)
  ...['\0', '\r', '\n', '\r\nx: y', '\x01', '\x0b', '\x1f', '\x7f', '\u0141'].map<(typeof MALFORMED)[number]>(
    text => ['8.2.1', `a value with ${JSON.stringify(text)}`, 'x-a', plus(GET, ['x-a', `abcd${text}efgh`])],
  ),
  ...[' a', '\ta', 'a ', 'a\t', ' ', '\t'].map<(typeof MALFORMED)[number]>(value => [
    '8.2.1',
    `whitespace at the ends of ${JSON.stringify(value)}`,
    'x-a',
    plus(GET, ['x-a', value]),
  ]),
  // Fields of the connection (8.2.2)
  ...(
    [
      ['connection', 'close'],
      ['connection', 'x-hop'],
      ['keep-alive', 'timeout=5'],
      ['proxy-connection', 'keep-alive'],
      ['transfer-encoding', 'chunked'],
      ['upgrade', 'websocket'],
      ['te', 'gzip'],
      ['te', 'trailers, gzip'],
      ['te', ''],
    ] as Fields
  ).map<(typeof MALFORMED)[number]>(([name, value]) => [
    '8.2.2',
    `${name}: ${value}`,
    name,
    plus(GET, [name, value]),
  ]),
  // Pseudo-fields (8.3)
  ['8.3', 'an unknown pseudo-field', ':x', having(GET, { ':x': '1' })],
  ['8.3', 'an empty pseudo-name', ':', having(GET, { ':': '1' })],
  ['8.3', 'one of a response', ':status', having(GET, { ':status': '200' })],
  ['8.3', 'one behind a regular field', ':path', plus(GET.slice(0, 3), ['x-a', '1'], [':path', '/'])],
  ...GET.map<(typeof MALFORMED)[number]>(([name, value]) => [
    '8.3.1',
    `${name} twice`,
    name,
    [[name, value], ...GET],
  ]),
  ['8.3.1', 'an empty one twice', ':path', [[':path', ''], ...GET]],
  // What a request needs (8.3.1)
  ['8.3.1', 'no :method', ':method', having(GET, { ':method': undefined })],
  ['8.3.1', 'no :scheme', ':scheme', having(GET, { ':scheme': undefined })],
  ['8.3.1', 'no :path', ':path', having(GET, { ':path': undefined })],
  ['8.3.1', 'nothing at all', ':method', []],
  ...['', 'G ET', 'GET\r\n', 'G\0T', 'G\xc9T', 'GET/'].map<(typeof MALFORMED)[number]>(method => [
    '8.3.1',
    `the method ${JSON.stringify(method)}`,
    ':method',
    having(GET, { ':method': method }),
  ]),
  ...['', '1http', 'ht tp', 'http:', 'http\n', 'h\xe9', '+a'].map<(typeof MALFORMED)[number]>(scheme => [
    '8.3.1',
    `the scheme ${JSON.stringify(scheme)}`,
    ':scheme',
    having(GET, { ':scheme': scheme }),
  ]),
  ...[
    '',
    'x',
    '*',
    'http://a.example/',
    '/a b',
    '/a\r\n',
    '/a#b',
    '/\0',
    '/\x7f',
    '/\xe9',
    ' /',
    '//\u0141',
  ].map<(typeof MALFORMED)[number]>(path => [
    '8.3.1',
    `the path ${JSON.stringify(path)}`,
    ':path',
    having(GET, { ':path': path }),
  ]),
  ['8.3.1', '* with more behind it', ':path', having(GET, { ':method': 'OPTIONS', ':path': '*x' })],
  ...[
    '',
    'user@a.example',
    'u:p@a.example',
    'a.example:',
    'a b',
    'a/b',
    'a,b',
    'a\r\n',
    ':80',
    'a:99999',
  ].map<(typeof MALFORMED)[number]>(authority => [
    '8.3.1',
    `the authority ${JSON.stringify(authority)}`,
    ':authority',
    having(GET, { ':authority': authority }),
  ]),
  // Host (8.3.1)
  ['8.3.1', 'a Host that differs', 'host', plus(GET, ['host', 'b.example'])],
  ['8.3.1', 'a Host with another port', 'host', plus(GET, ['host', 'a.example:80'])],
  ['8.3.1', 'a Host that is none', 'host', plus(GET, ['host', 'a.example/'])],
  ['8.3.1', 'an empty Host', 'host', plus(GET, ['host', ''])],
  [
    '8.3.1',
    'a Host alone that is none',
    'host',
    having(GET, { ':authority': undefined }, [['host', 'u@a.example']]),
  ],
  ['8.3.1', 'Host twice', 'host', plus(GET, ['host', 'a.example'], ['host', 'a.example'])],
  // Content-Length (8.1.1, RFC 9110 8.6)
  ...['', '-1', '+1', '1.0', '1 ', '0x10', '1,1', '1, 1', '9007199254740992', '1'.repeat(400), '\u0661'].map<
    (typeof MALFORMED)[number]
  >(value => [
    'RFC 9110 8.6',
    `the length ${JSON.stringify(value.slice(0, 20))}`,
    'content-length',
    plus(GET, ['content-length', value]),
  ]),
  [
    'RFC 9110 8.6',
    'two lengths',
    'content-length',
    plus(GET, ['content-length', '1'], ['content-length', '2']),
  ],
  [
    'RFC 9110 8.6',
    'three lengths, the last of them another',
    'content-length',
    plus(GET, ['content-length', '1'], ['content-length', '1'], ['content-length', '01']),
  ],
  // CONNECT (8.5)
  ['8.5', 'CONNECT with a scheme', ':scheme', having(CONNECT, { ':scheme': 'https' })],
  ['8.5', 'CONNECT with a path', ':path', having(CONNECT, { ':path': '/' })],
  ['8.5', 'CONNECT without an authority', ':authority', having(CONNECT, { ':authority': undefined })],
  ['8.5', 'CONNECT without a port', ':authority', having(CONNECT, { ':authority': 'a.example' })],
  ['8.5', 'CONNECT to no port of IPv6', ':authority', having(CONNECT, { ':authority': '[::1]' })],
  ['8.5', 'CONNECT with another Host', 'host', plus(CONNECT, ['host', 'b.example:443'])],
  ['RFC 9110 9.3.6', 'CONNECT with a length', 'content-length', plus(CONNECT, ['content-length', '5'])],
  // Extended CONNECT (RFC 8441 4)
  ['RFC 8441 4', ':protocol on GET', ':protocol', having(GET, { ':protocol': 'websocket' })],
  ['RFC 8441 4', ':protocol without a scheme', ':scheme', having(WEBSOCKET, { ':scheme': undefined })],
  ['RFC 8441 4', ':protocol without a path', ':path', having(WEBSOCKET, { ':path': undefined })],
  ['RFC 8441 4', ':protocol twice', ':protocol', [[':protocol', 'websocket'], ...WEBSOCKET]],
  ...['', 'a b', 'a/', '/1', 'a/b/c', 'a,b'].map<(typeof MALFORMED)[number]>(protocol => [
    'RFC 8441 4',
    `the protocol ${JSON.stringify(protocol)}`,
    ':protocol',
    having(WEBSOCKET, { ':protocol': protocol }),
  ]),
  ['RFC 8441 4', 'a length', 'content-length', plus(WEBSOCKET, ['content-length', '5'])],
]

describe('readRequestHead refuses with PROTOCOL_ERROR', () => {
  it.each(MALFORMED)('by %s: %s (%s)', (_, _what, name, fields) => {
    const fault = faultOf(() => read(fields))
    expect(fault).toBeInstanceOf(MessageFault)
    expect(fault?.message).toContain(`: ${name}`)
  })

  it('by RFC 8441 3: a :protocol that was not offered', () => {
    expect(faultOf(() => read(WEBSOCKET, false))?.message).toContain(': :protocol')
    expect(faultOf(() => read(WEBSOCKET, true))).toBeUndefined()
  })

  it('in a message that shows no value, and nothing of a name that could spoil a log', () => {
    const { message } = faultOf(() => read(plus(GET, ['authorization', 'se\0cret'])))!
    expect(message).not.toContain('cret')
    const named = faultOf(() => read(plus(GET, [`a\r\nb\x1b${'c'.repeat(100)}`, ''])))!
    expect(named.message).toMatch(/^[ -~]*a\\x0d\\x0ab\\x1bc+…$/)
    expect(named.message.length).toBeLessThan(150)
  })
})

describe('readRequestHead', () => {
  it('splits a head into its parts', () => {
    expect(read(plus(GET, ['accept', '*/*'], ['x-empty', ''], ['x-high', 'caf\xe9\t\xff']))).toEqual({
      method: 'GET',
      scheme: 'https',
      authority: 'a.example',
      path: '/',
      protocol: undefined,
      headers: ['accept', '*/*', 'x-empty', '', 'x-high', 'caf\xe9\t\xff'],
      hasUnderscore: false,
      contentLength: undefined,
    })
    expect(read(GET).headers).toEqual([])
  })

  it('accepts pseudo-fields in any order', () => {
    expect(read([...GET].reverse())).toEqual(read(GET))
  })

  it('accepts every character that a token in lower case has', () => {
    const name = "abcdefghijklmnopqrstuvwxyz0123456789!#$%&'*+-.^_`|~"
    expect(read(plus(GET, [name, '1'])).headers).toEqual([name, '1'])
  })

  it.each<[string, Fields, Partial<ReturnType<typeof read>>]>([
    ['* of OPTIONS', having(GET, { ':method': 'OPTIONS', ':path': '*' }), { path: '*' }],
    ['a method of its own', having(GET, { ':method': 'M-SEARCH' }), { method: 'M-SEARCH' }],
    ['a query', having(GET, { ':path': '/?a=b|"c"' }), { path: '/?a=b|"c"' }],
    ['another scheme', having(GET, { ':scheme': 'coap+tcp' }), { scheme: 'coap+tcp' }],
    ['IPv6', having(GET, { ':authority': '[::1]:8443' }), { authority: '[::1]:8443' }],
    [
      'Host in place of :authority',
      having(GET, { ':authority': undefined }, [['host', 'b.example']]),
      { authority: 'b.example', headers: [] },
    ],
    ['neither of them', having(GET, { ':authority': undefined }), { authority: '' }],
    [
      'Host that says the same',
      plus(GET, ['a', '1'], ['host', 'A.Example:443'], ['b', '2']),
      { authority: 'a.example', headers: ['a', '1', 'b', '2'] },
    ],
    ['te: trailers', plus(GET, ['te', 'trailers'], ['a', '1']), { headers: ['a', '1'] }],
    ['TE in other letters', plus(GET, ['a', '1'], ['te', 'Trailers']), { headers: ['a', '1'] }],
    ['http2-settings', plus(GET, ['http2-settings', 'AA'], ['a', '1']), { headers: ['a', '1'] }],
    [
      'a length',
      plus(GET, ['content-length', '42']),
      { contentLength: 42, headers: ['content-length', '42'] },
    ],
    [
      'the greatest length',
      plus(GET, ['content-length', '9007199254740991']),
      { contentLength: Number.MAX_SAFE_INTEGER },
    ],
    [
      'a length that is repeated',
      plus(GET, ['content-length', '5'], ['a', '1'], ['content-length', '5']),
      { contentLength: 5, headers: ['content-length', '5', 'a', '1'] },
    ],
    ['a single Cookie', plus(GET, ['cookie', 'a=1']), { headers: ['cookie', 'a=1'] }],
    [
      'crumbs of Cookie (RFC 9113 8.2.3)',
      plus(GET, ['x', '1'], ['cookie', 'a=1'], ['y', '2'], ['cookie', 'b=2'], ['z', '3'], ['cookie', 'c=3']),
      { headers: ['x', '1', 'cookie', 'a=1; b=2; c=3', 'y', '2', 'z', '3'] },
    ],
    [
      'crumbs behind a field that is taken out',
      plus(GET, ['te', 'trailers'], ['x', '1'], ['cookie', 'a=1'], ['cookie', 'b=2']),
      { headers: ['x', '1', 'cookie', 'a=1; b=2'] },
    ],
    [
      'names that look like those of the connection',
      plus(GET, ['upgradx', '1'], ['keep-alivx', '1'], ['ue', '1'], ['transfer-encodinx', '1']),
      { headers: ['upgradx', '1', 'keep-alivx', '1', 'ue', '1', 'transfer-encodinx', '1'] },
    ],
    [
      'CONNECT',
      plus(CONNECT, ['host', 'A.example']),
      { method: 'CONNECT', scheme: '', path: '', authority: 'a.example:443', headers: [] },
    ],
    [
      'CONNECT that says it has no content',
      plus(CONNECT, ['content-length', '0'], ['a', '1']),
      { headers: ['a', '1'], contentLength: undefined },
    ],
    [
      'extended CONNECT',
      WEBSOCKET,
      { protocol: 'websocket', scheme: 'https', path: '/chat', authority: 'a.example' },
    ],
    ['a protocol with a version', having(WEBSOCKET, { ':protocol': 'Foo/2' }), { protocol: 'foo/2' }],
  ])('accepts %s', (_, fields, head) => {
    expect(read(fields)).toMatchObject(head)
  })

  it('leaves the list that it was given as it was', () => {
    const fields = Object.freeze(
      plus(GET, ['cookie', 'a=1'], ['cookie', 'b=2'], ['content-length', '0'], ['te', 'trailers']).flat(),
    )
    const before = [...fields]
    readRequestHead(fields, false)
    expect(fields).toEqual(before)
  })
})

type Rows = [section: string, what: string, names: string, fields: string[]][]

const MALFORMED_RESPONSES: Rows = [
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
  it.each(MALFORMED_RESPONSES)('refuses with PROTOCOL_ERROR by %s: %s (%s)', (_, _what, name, fields) => {
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
  ])('accepts %s', (_, fields, head) => {
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
  ])('refuses with PROTOCOL_ERROR by %s: %s (%s)', (_, _what, name, fields) => {
    const fault = faultOf(() => readTrailers(fields))
    expect(fault).toBeInstanceOf(MessageFault)
    expect(fault?.message).toContain(`: ${name}`)
  })

  it('returns the list itself when nothing has to be left out', () => {
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
