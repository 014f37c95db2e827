import { describe, expect, it } from 'vitest'
import {
  countedMessages,
  parseSyslogServer,
  splitMessages,
  syslogMessages,
} from '../../../../src/service/access-log/syslog-message.ts'
import { fc } from '../../../support/property.ts'

describe('parseSyslogServer', () => {
  it.each([
    ['syslog:udp://127.0.0.1:5514', { transport: 'udp', host: '127.0.0.1', port: 5_514 }],
    ['syslog:udp://logs.internal', { transport: 'udp', host: 'logs.internal', port: 514 }],
    ['syslog:tcp://[::1]', { transport: 'tcp', host: '::1', port: 601 }],
    ['syslog:tcp://a:65535/', { transport: 'tcp', host: 'a', port: 65_535 }],
  ])('reads %s', (text, server) => {
    expect(parseSyslogServer(text)).toEqual(server)
  })

  it.each([
    'syslog',
    'syslog:',
    'syslog:/dev/log',
    'syslog:tls://a',
    'syslog:udp://',
    'syslog:udp://a:65536',
    'syslog:udp://a:0',
    'syslog:udp://a/b',
  ])('reads no server in %s', text => {
    expect(parseSyslogServer(text)).toBeUndefined()
  })
})

it('writes messages of RFC 5424', () => {
  const time = Date.UTC(2026, 10, 25, 8, 1, 2, 345)
  const message = syslogMessages({ facility: 'local7', hostname: 'edge-1', processId: 4_711 })
  expect(message('a line', time)).toBe(
    '<190>1 2026-11-25T08:01:02.345Z edge-1 middlemile 4711 access - a line',
  )
  const odd = syslogMessages({ facility: 'user', hostname: 'é ', processId: 1 })
  expect(odd('x', 0)).toBe('<14>1 1970-01-01T00:00:00.000Z - middlemile 1 access - x')
})

it('takes a block of lines apart, and counts the bytes of each', () => {
  expect(countedMessages(Buffer.from('ab\né\n\n')).toString()).toBe('2 ab2 é')
  const line = fc.string().map(text => text.replaceAll('\n', ''))
  fc.assert(
    fc.property(fc.array(line), lines => {
      const messages = splitMessages(Buffer.from(lines.map(text => `${text}\n`).join('')))
      expect(messages.map(String)).toEqual(
        lines.filter(text => text !== '').map(text => Buffer.from(text).toString()),
      )
    }),
  )
})
