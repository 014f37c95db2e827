import { describe, expect, it } from 'vitest'
import { formatFault } from '../../../../../src/service/config/config-fault.ts'
import { readConfigText } from '../../../../../src/service/config/read-config.ts'
import { DEFAULT_ACCESS_LOG } from '../../../../../src/service/config/service-settings.ts'

function read(text: string) {
  return readConfigText(`listen: [{ address: :80 }]\norigins: { a: { url: http://a } }\n${text}`, '/etc')
}

function accessLogOf(text: string) {
  const result = read(text)
  if (!result.ok) throw new Error(result.faults.map(fault => formatFault(fault)).join())
  return result.settings.accessLog
}

describe('the access log of a configuration', () => {
  it('is off unless it is asked for', () => {
    expect(accessLogOf('')).toBeUndefined()
  })

  it('has defaults for each key', () => {
    expect(accessLogOf('accessLog: {}')).toEqual(DEFAULT_ACCESS_LOG)
  })

  it('goes to a file relative to the configuration, in a template, sampled, with an id of another name', () => {
    const keys = `format: '$client $status', to: log/access.log, sample: 0.1, requestId: X-Correlation-Id, maxQueuedBytes: 1MiB`
    expect(accessLogOf(`accessLog: { ${keys} }`)).toEqual({
      format: '$client $status',
      to: { file: '/etc/log/access.log' },
      sample: 0.1,
      requestId: 'x-correlation-id',
      facility: 'local7',
      maxQueuedBytes: 1_048_576,
    })
    expect(accessLogOf('accessLog: { requestId: off }')?.requestId).toBeUndefined()
  })

  it('goes to syslog', () => {
    expect(accessLogOf('accessLog: { to: "syslog:udp://logs.internal", facility: daemon }')).toMatchObject({
      to: { syslog: { transport: 'udp', host: 'logs.internal', port: 514 } },
      facility: 'daemon',
    })
  })

  it.each([
    ['to: "syslog:server=/dev/log"', 'must be syslog:udp://HOST:PORT or syslog:tcp://HOST:PORT'],
    ['to: "syslog:udp://a:0"', 'must be syslog:udp://HOST:PORT'],
    ['facility: mail', 'facility'],
    ['format: xml', 'must be json, common, combined or a template'],
    ['format: "$clint"', '$clint is no variable'],
    ['sample: 2', 'sample'],
    ['requestId: content-length', 'ends in -id'],
    ['fromat: json', 'fromat'],
  ])('is refused with %s', (keys, message) => {
    expect(() => accessLogOf(`accessLog: { ${keys} }`)).toThrow(message)
  })
})
