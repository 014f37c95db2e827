import { describe, expect, it } from 'vitest'
import { TransportError } from '../../../../src/base/errors.ts'
import { HpackEncoder } from '../../../../src/http/hpack/hpack-encoder.ts'
import {
  decode,
  encode,
  literal,
  newDecoder,
  sizeUpdate,
  tableOf,
  takeBlock,
} from '../field-compression/blocks.ts'

/** An encoder with the decoder of its peer. */
function pair(maxTableBytes = 4096) {
  const encoder = new HpackEncoder(maxTableBytes)
  const decoder = newDecoder({ maxListBytes: 1_000_000 })
  /** Sends a list, and checks that it arrives and that both tables agree. Returns the block. */
  const send = (fields: readonly string[]): Buffer => {
    const block = encode(encoder, fields)
    expect(decode(decoder, block)).toEqual(fields)
    expectAgreement()
    return block
  }
  const expectAgreement = (): void => {
    const table = tableOf(decoder)
    expect(encoder.keptStrings().slice(0, table.length)).toEqual(table)
  }
  return { encoder, decoder, send, table: () => tableOf(decoder) }
}

function thrownBy(action: () => void): TransportError {
  try {
    action()
  } catch (error) {
    if (error instanceof TransportError) return error
    throw error
  }
  throw new Error('nothing was thrown')
}

describe('what the HPACK encoder inserts', () => {
  it('is at once a field that has few values', () => {
    const { send, table } = pair()
    send([':status', '200', 'content-type', 'text/html', 'server', 'nginx'])
    expect(table()).toEqual(['server', 'nginx', 'content-type', 'text/html'])
    expect(send([':status', '200', 'content-type', 'text/html', 'server', 'nginx']).toString('hex')).toBe(
      '88bfbe',
    )
  })

  it('is any other field when it comes again soon', () => {
    const { send, table } = pair()
    const first = send(['x-color', 'blue', 'date', 'Tue, 04 Mar 2025 10:12:13 GMT'])
    expect(table()).toEqual([])
    send(['x-color', 'blue'])
    expect(table()).toEqual(['x-color', 'blue'])
    expect(send(['x-color', 'blue']).toString('hex')).toBe('be')
    expect(first.length).toBeGreaterThan(20)
  })

  it('is not a field that comes again after many others', () => {
    const { send, table } = pair()
    send(['x-color', 'blue'])
    for (let i = 0; i < 1000; i++) send(['x-color', `blue ${i}`])
    send(['x-color', 'blue'])
    expect(table(), 'for its name alone').toEqual(['x-color', 'blue 0'])
  })

  it('is the name of a field that varies, when it is seen again, with the value that it has then and no other', () => {
    const { send, table } = pair()
    const first = send(['x-request-id', 'a'])
    send(['x-request-id', 'b'])
    expect(table()).toEqual(['x-request-id', 'b'])
    for (const value of ['c', 'd', 'c'])
      expect(send(['x-request-id', value]).length).toBeLessThan(first.length - 8)
    expect(table()).toEqual(['x-request-id', 'b'])
  })

  it('is not the name of a secret', () => {
    const { send, table } = pair()
    for (const value of ['a', 'b', 'c']) send(['x-api-key', value])
    expect(table()).toEqual([])
  })

  it.each([':path', 'etag', 'content-length', 'if-modified-since', 'location'])(
    'is never a field that varies and has its name in the static table: %s',
    name => {
      const { send, table } = pair()
      for (let i = 0; i < 5; i++) send([name, '/a/b/c'])
      expect(table()).toEqual([])
    },
  )

  it('is not an entry that would take more than half of the table', () => {
    const { send, table } = pair()
    send(['server', 'x'.repeat(2048 - 32 - 6)])
    expect(table()).toHaveLength(2)
    for (let i = 0; i < 3; i++) send(['vary', 'x'.repeat(2048 - 32 - 3)])
    expect(table()).toHaveLength(2)
  })

  it('is found again among other values of its name, and after it was evicted and came back', () => {
    const { send, table } = pair()
    const values = Array.from({ length: 30 }, (_, i) => ['vary', `value-${i}`])
    for (let round = 0; round < 3; round++) for (const fields of values) send(fields)
    for (let i = 0; i < 200; i++) send(['x-robots-tag', `something to fill the table with ${i}`])
    expect(table()).not.toContain('vary')
    send(['vary', 'value-1'])
    expect(send(['vary', 'value-1']).toString('hex')).toBe('be')
  })

  it('is referred to by an index above 127 in a large table', () => {
    const { encoder, send } = pair(65_536)
    encoder.setPeerTableBytes(65_536)
    for (let i = 0; i < 300; i++) send(['server', `s${i}`])
    send(['vary', 'x'])
    for (let i = 0; i < 300; i++) send(['server', `t${i}`])
    expect(send(['vary', 'x']).toString('hex')).toBe('ffeb01')
  })
})

describe('secrets that the HPACK encoder writes', () => {
  const SECRET = 'Zq7secret'

  it.each([
    'authorization',
    'proxy-authorization',
    'cookie',
    'set-cookie',
    'x-api-key',
    'x-vendor-apikey',
    'x-amz-security-token',
    'x-session-id',
    'x-csrf',
    'x-user-password',
    'x-hub-signature-256',
    'dpop',
  ])('are never-indexed literals and kept nowhere: %s', name => {
    const { encoder, send, table } = pair()
    const list = [name, SECRET]
    const blocks = [1, 2, 3, 4].map(() => send(list))
    for (const block of blocks) expect(block[0]! & 0xf0).toBe(0x10)
    expect(table()).toEqual([])
    expect(encoder.keptStrings()).toEqual([])
    // Nor in a list with others.
    const mixed = ['server', 'nginx', name, SECRET]
    for (let i = 0; i < 4; i++) send(mixed)
    expect(encoder.keptStrings()).toEqual(['server', 'nginx'])
  })

  it.each([':authority', 'www-authenticate', 'proxy-authenticate', 'sec-websocket-key'])(
    'do not include a name that only resembles one: %s',
    name => expect(pair().send([name, 'value'])[0]! & 0xf0).not.toBe(0x10),
  )

  it('stay never-indexed when they came so (RFC 7541 7.1.3)', () => {
    const { send, table } = pair()
    decode(newDecoder(), literal('never-indexed', 'x-inner', 'worth guessing'))
    decode(newDecoder(), literal('never-indexed', 'etag', '"worth-guessing"'))
    for (let i = 0; i < 3; i++) {
      expect(send(['x-inner', 'worth guessing'])[0]).toBe(0x10)
      expect(send(['etag', '"worth-guessing"'])[0]).toBe(0x1f)
    }
    expect(send(['x-inner', 'another'])[0]).toBe(0)
    expect(table()).toEqual([])
  })
})

describe('a field that the HPACK encoder refuses', () => {
  it.each([
    ['an empty name', '', 'a'],
    ['upper case', 'X-a', 'a'],
    ['a space in the name', 'x a', 'a'],
    ['a colon in the name', 'x:a', 'a'],
    ['a name above ASCII', 'x-é', 'a'],
    ['a name above latin1', 'x-\u0161', 'a'],
    ['a line end in the name', 'x\r\n', 'a'],
    ['CR', 'x-a', 'a\rb'],
    ['LF', 'x-a', 'a\nb'],
    ['NUL', 'x-a', 'a\u0000b'],
    ['DEL', 'x-a', 'a\u007f'],
    ['another control character', 'x-a', '\u0001'],
    ['what is not latin1', 'x-a', 'a€b'],
    ['what would be a line end if it were cut to a byte', 'x-a', 'a\u010ab'],
    ['half a character', 'x-a', '\ud83d'],
    ['a space in front', 'x-a', ' a'],
    ['a space behind', 'x-a', 'a '],
    ['a tab behind', 'x-a', 'a\t'],
    ['nothing but a space', 'x-a', ' '],
    ['a bad value of a known name', 'content-type', 'a\nb'],
    ['a bad value of a secret', 'cookie', 'a\nb'],
    ['a bad value of a field that varies', 'etag', 'a\nb'],
    ['a field of the connection', 'connection', 'close'],
    ['transfer-encoding', 'transfer-encoding', 'chunked'],
  ])('is one with %s', (_, name, value) => {
    const encoder = new HpackEncoder(4096)
    encoder.begin()
    for (let i = 0; i < 3; i++) {
      expect(thrownBy(() => encoder.add(name, value)).code).toBe('MM_INVALID_ARGUMENT')
      expect(thrownBy(() => encoder.addAll(['server', 'nginx', name, value])).code).toBe(
        'MM_INVALID_ARGUMENT',
      )
    }
  })

  it.each([':', ':Path', ':pa th', '::path', ':path:'])('is a pseudo-field called %s', name => {
    const encoder = new HpackEncoder(4096)
    encoder.begin()
    expect(thrownBy(() => encoder.add(name, '/')).code).toBe('MM_INVALID_ARGUMENT')
  })

  it('is a pseudo-field in a list, also one that is in a table', () => {
    const encoder = new HpackEncoder(4096)
    encoder.begin()
    encoder.add(':method', 'GET')
    encoder.add(':authority', 'www.example.com')
    for (const list of [
      [':method', 'GET'],
      [':authority', 'www.example.com'],
      ['server', 'x', ':path', '/'],
    ]) {
      expect(thrownBy(() => encoder.addAll(list)).code).toBe('MM_INVALID_ARGUMENT')
    }
  })

  it('is reported without its value, which may be a secret', () => {
    const encoder = new HpackEncoder(4096)
    encoder.begin()
    expect(thrownBy(() => encoder.add('cookie', 'secret\n')).message).toBe(
      'the field "cookie" has a value with a character that none may have',
    )
  })

  it('is none of those that may be sent', () => {
    const { send } = pair()
    const codes = Array.from({ length: 256 }, (_, code) => code).filter(code => code >= 0x20 && code !== 0x7f)
    const value = `a\t${String.fromCharCode(...codes)}z`
    for (let i = 0; i < 3; i++) send([':path', value, 'x-a', value, 'x-b', '', "!#$%&'*+-.^_`|~09az", 'x'])
  })
})

describe('the table size of the HPACK encoder', () => {
  it('is at most 4096 until the peer has announced one', () => {
    const { encoder, send } = pair(65_536)
    send(['server', 'nginx'])
    encoder.setPeerTableBytes(10_000)
    expect(send(['server', 'nginx'])).toEqual(Buffer.concat([sizeUpdate(10_000), Buffer.from('be', 'hex')]))
    encoder.setPeerTableBytes(100_000)
    expect(send(['server', 'nginx'])).toEqual(Buffer.concat([sizeUpdate(65_536), Buffer.from('be', 'hex')]))
  })

  it('is announced when we use less', () => {
    const { send } = pair(1000)
    expect(send([]).equals(sizeUpdate(1000))).toBe(true)
    expect(send([])).toHaveLength(0)
  })

  it('is announced with the smallest and the last of several changes (RFC 7541 4.2)', () => {
    const { encoder, send, table } = pair()
    send(['server', 'a', 'vary', 'b'])
    encoder.setPeerTableBytes(50)
    encoder.setPeerTableBytes(40)
    encoder.setPeerTableBytes(2000)
    expect(send([]).equals(Buffer.concat([sizeUpdate(40), sizeUpdate(2000)]))).toBe(true)
    expect(table()).toEqual(['vary', 'b'])
    encoder.setPeerTableBytes(40)
    encoder.setPeerTableBytes(2000)
    encoder.setPeerTableBytes(30)
    expect(send([]).equals(sizeUpdate(30))).toBe(true)
    expect(table()).toEqual([])
  })

  it('may be 0', () => {
    for (const { encoder, send, table } of [pair(0), pair(4096)]) {
      encoder.setPeerTableBytes(0)
      for (let i = 0; i < 3; i++) send(['server', 'nginx', 'x-a', '1'])
      expect(table()).toEqual([])
    }
  })

  it('does not change within a block', () => {
    const { encoder, decoder } = pair()
    encoder.begin()
    encoder.add('server', 'a')
    encoder.setPeerTableBytes(0)
    encoder.add('server', 'a')
    expect(decode(decoder, takeBlock(encoder))).toEqual(['server', 'a', 'server', 'a'])
    expect(encode(encoder, ['server', 'a'])[0]).toBe(0x20)
  })
})

describe('a block that is not sent', () => {
  const CLEARED = Buffer.concat([sizeUpdate(0), sizeUpdate(4096)])

  it('makes the next one begin with an empty table, where a bad field is the reason', () => {
    const { encoder, send, table } = pair()
    send(['server', 'a'])
    encoder.begin()
    encoder.add('vary', 'lost')
    expect(() => encoder.addAll(['via', 'lost', 'x-a', 'a\nb'])).toThrow(TransportError)
    expect(send(['server', 'a']).subarray(0, 4)).toEqual(CLEARED)
    expect(table()).toEqual(['server', 'a'])
    expect(send(['server', 'a']).toString('hex')).toBe('be')
  })

  it.each(['before its end', 'after its end'])(
    'makes the next one begin with an empty table, where abort() %s is the reason',
    when => {
      const { encoder, send } = pair()
      send(['server', 'a'])
      encoder.begin()
      encoder.addAll(['vary', 'lost'])
      if (when === 'after its end') encoder.end()
      encoder.abort()
      encoder.abort()
      expect(send(['server', 'a', 'vary', 'lost']).subarray(0, 4)).toEqual(CLEARED)
    },
  )

  it('costs nothing when it changed nothing', () => {
    const { encoder, send } = pair()
    send(['server', 'a'])
    encoder.begin()
    expect(() => encoder.addAll(['server', 'a', 'x-a', 'a\nb'])).toThrow(TransportError)
    encoder.begin()
    encoder.addAll(['server', 'a', 'cookie', 'a=b'])
    encoder.end()
    encoder.abort()
    expect(send(['server', 'a']).toString('hex')).toBe('be')
  })

  it('does not lose a size update', () => {
    const { encoder, send } = pair()
    send(['server', 'a'])
    encoder.setPeerTableBytes(100)
    encode(encoder, [])
    encoder.abort()
    expect(send([]).equals(Buffer.concat([sizeUpdate(0), sizeUpdate(100)]))).toBe(true)
    encoder.setPeerTableBytes(0)
    encode(encoder, [])
    encoder.abort()
    expect(send([]).equals(sizeUpdate(0))).toBe(true)
  })

  it('may be followed by another one that is not sent', () => {
    const { encoder, send, table } = pair()
    for (let i = 0; i < 3; i++) {
      encode(encoder, ['server', `lost ${i}`])
      encoder.abort()
    }
    send(['server', 'a'])
    expect(table()).toEqual(['server', 'a'])
  })
})

describe('a field list that repeats', () => {
  it('is encoded to the same bytes, as long as the table is the same', () => {
    const { send, table } = pair()
    const list = ['server', 'nginx', 'vary', 'origin', 'etag', '"abc"']
    const other = ['server', 'nginx', 'vary', 'origin', 'etag', '"abc"']
    send(list)
    const expected = send(other)
    for (let i = 0; i < 5; i++) expect(send(list)).toEqual(expected)
    send(['via', '1.1 other'])
    const moved = send(other)
    expect(moved).not.toEqual(expected)
    for (let i = 0; i < 5; i++) expect(send(list)).toEqual(moved)
    expect(table()).toHaveLength(6)
  })

  it('is not remembered beyond a change of the size', () => {
    const { encoder, send } = pair()
    const list = ['server', 'nginx']
    for (let i = 0; i < 5; i++) send(list)
    encoder.setPeerTableBytes(0)
    for (let i = 0; i < 5; i++) send(list)
  })

  it('may be one of many, and long', () => {
    const { encoder, send } = pair()
    const lists = Array.from({ length: 30 }, (_, i) => ['server', 'nginx', 'etag', 'x'.repeat(i * 20)])
    for (let round = 0; round < 4; round++) for (const list of lists) send(list)
    for (const list of lists) for (let i = 0; i < 4; i++) send(list)
    expect(encoder.keptStrings().length).toBeLessThanOrEqual(2 + 8 * 4)
  })

  it('may be empty', () => {
    const { send } = pair()
    const list: string[] = []
    for (let i = 0; i < 4; i++) expect(send(list)).toHaveLength(0)
  })
})

describe('the output buffer of the encoder', () => {
  it('grows for any block, and does not keep the size of a huge one', () => {
    const { encoder, send } = pair()
    send(['x-a', 'ÿ'.repeat(100_000), 'x-b', 'a'.repeat(100_000), 'x'.repeat(50_000), '1'])
    expect(encoder.bytes.length).toBeGreaterThan(250_000)
    send(['server', 'nginx'])
    expect(encoder.bytes.length).toBeLessThan(20_000)
    for (let i = 0; i < 3; i++)
      send(Array.from({ length: 400 }, (_, j) => (j % 2 === 0 ? 'server' : 'nginx')))
  })
})
