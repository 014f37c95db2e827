import { describe, expect, it } from 'vitest'
import { formatFault } from '../../../../src/service/config/config-fault.ts'
import { readConfigText } from '../../../../src/service/config/read-config.ts'

/** The doubts of a configuration with these lines, one line of text each. */
function doubtsOf(text: string): string[] {
  const read = readConfigText(text, '.')
  if (!read.ok) throw new Error(read.faults.map(fault => formatFault(fault)).join('\n'))
  expect(read.settings.warnings).toHaveLength(read.doubts.length)
  return read.doubts.map(doubt => formatFault(doubt))
}

/** `extra` stands behind the url of the origin. */
const config = (extra: string, url = 'https://origin.example') =>
  `listen: [{ address: 127.0.0.1:8080 }]\norigins: { shop: { url: "${url}"${extra} } }\n`

describe('the doubts about a configuration', () => {
  it('are none where all is in order', () => {
    expect(doubtsOf(config(', pool: { warm: 2, maxConnections: 8, idleTimeout: 1m }'))).toEqual([])
    expect(doubtsOf(config(', protocols: [h2]', 'http://origin.example'))).toEqual([])
  })

  it('include HTTP/3 to an origin without TLS, at its place', () => {
    const text = config(', protocols: [http/1.1, h3]', 'http://origin.example')
    expect(doubtsOf(text)).toEqual([
      '2:72: origins.shop.protocols[1]: HTTP/3 needs TLS, and this origin is http://; write https:// in its url, or leave h3 out of protocols',
    ])
    const common = `${config('', 'http://origin.example')}defaults: { protocols: [h3] }\n`
    expect(doubtsOf(common)).toEqual([expect.stringMatching(/^2:25: origins\.shop\.url: HTTP\/3 needs TLS/)])
    const mixed = `${config('', 'http://origin.example')}defaults: { protocols: [h3, h2] }\n`
    expect(doubtsOf(mixed)).toEqual([])
  })

  it('include a warm level above the maximum of connections, that of defaults too', () => {
    expect(doubtsOf(config(', pool: { warm: 9, maxConnections: 8 }'))).toEqual([
      '2:65: origins.shop.pool.warm: warm (9) is above maxConnections (8): no more than 8 will be kept ready; raise maxConnections or lower warm',
    ])
    const common = `${config(', pool: { maxConnections: 2 }')}defaults: { pool: { warm: 4 } }\n`
    expect(doubtsOf(common)).toEqual([expect.stringContaining('origins.shop.pool.maxConnections: warm (4)')])
  })

  it('include state.redis where no origin has a ceiling, and a floor without state.redis', () => {
    const redis = 'state: { redis: { url: "redis://127.0.0.1" } }\n'
    expect(doubtsOf(config('') + redis)).toEqual([
      '3:17: state.redis: shares the ceilings of origins, and no origin has one; set protection.maxConnections',
    ])
    expect(doubtsOf(config(', protection: { floor: 2 }'))).toEqual([
      expect.stringContaining('origins.shop.protection.floor: is for when state.redis does not answer'),
    ])
    expect(doubtsOf(config(', protection: { maxConnections: 9, floor: 2 }') + redis)).toEqual([])
    const common = 'defaults: { protection: { maxConnections: 9 } }\n'
    expect(doubtsOf(config('') + redis + common)).toEqual([])
  })

  it.each([
    ['timeouts: { headers: 30 }', 'origins.shop.timeouts.headers: 30 is 30 milliseconds; write 30s'],
    ['pool: { idleTimeout: 90 }', 'origins.shop.pool.idleTimeout: 90 is 90 milliseconds; write 90s'],
    ['timeouts: { connect: 5 }', 'origins.shop.timeouts.connect: 5 is 5 milliseconds; write 5s'],
  ])('include a number that looks like seconds: %s', (extra, message) => {
    expect(doubtsOf(config(`, ${extra}`))).toEqual([expect.stringContaining(message)])
  })

  it.each(['timeouts: { headers: 30ms }', 'timeouts: { headers: 0 }', 'timeouts: { headers: 30000 }'])(
    'do not include a duration that names its unit, is off, or of the usual size: %s',
    extra => {
      expect(doubtsOf(config(`, ${extra}`))).toEqual([])
    },
  )

  it('include a number that looks like seconds in ingress and shutdown, too', () => {
    const text = `${config('')}shutdown: { drainTimeout: 30 }\ningress: { keepAliveTimeout: 60 }\n`
    expect(doubtsOf(text)).toEqual([
      expect.stringMatching(/^3:27: shutdown\.drainTimeout: 30 is 30 milliseconds/),
      expect.stringMatching(/^4:30: ingress\.keepAliveTimeout: 60 is 60 milliseconds/),
    ])
  })
})

describe('the addresses to listen on', () => {
  const faultsOf = (listen: string, admin = ''): string[] => {
    const read = readConfigText(`listen: ${listen}\norigins: { shop: { url: "https://a" } }\n${admin}`, '.')
    return read.ok ? [] : read.faults.map(fault => formatFault(fault))
  }

  it('must differ, those for every address included', () => {
    expect(faultsOf('[{ address: 127.0.0.1:80 }, { address: 127.0.0.1:80 }]')).toEqual([
      '1:48: listen[1].address: listen[0] has 127.0.0.1:80 already; give this one another port or address',
    ])
    expect(faultsOf('[{ address: ":80" }, { address: 127.0.0.1:80 }]')).toHaveLength(1)
    expect(faultsOf('[{ address: 127.0.0.2:80 }, { address: 127.0.0.1:80 }]')).toEqual([])
    expect(faultsOf('[{ address: 127.0.0.1:0 }, { address: 127.0.0.1:0 }]')).toEqual([])
  })

  it('must differ from that of the admin server', () => {
    expect(faultsOf('[{ address: 127.0.0.1:9901 }]', 'admin: { address: ":9901" }\n')).toEqual([
      '3:19: admin.address: listen[0] has 127.0.0.1:9901 already; give this one another port or address',
    ])
    expect(faultsOf('[{ unix: a.sock }]', 'admin: { unix: a.sock }\n')).toEqual([
      '3:16: admin.unix: listen[0] has a.sock already; give this one another path',
    ])
  })
})
