import { describe, expect, it } from 'vitest'
import { caddyConfig, nginxConfig, type OriginPlace } from '../../../../bench/load/load-origin-config.ts'
import { get } from '../../../../bench/load/load-tables.ts'
import { BODY_BYTES } from '../../../support/body-files.ts'

const PLACE: OriginPlace = {
  directory: 'own',
  www: 'www',
  name: 'origin.test',
  address: '10.78.0.2',
  ports: [4001, 4002],
  sinkPort: 4100,
  certificates: { ca: '', caFile: 'ca', certFile: 'cert', keyFile: 'key', bundleFile: 'bundle' },
}

describe('the configuration of a load’s origins', () => {
  it('has nginx listen on every port, for its clients and for whoever waits for it', () => {
    const config = nginxConfig({ kind: 'nginx' }, PLACE)
    const listens = config.match(/listen \S+ ssl http2;/g)
    expect(listens).toEqual([
      'listen 127.0.0.1:4001 ssl http2;',
      'listen 10.78.0.2:4001 ssl http2;',
      'listen 127.0.0.1:4002 ssl http2;',
      'listen 10.78.0.2:4002 ssl http2;',
    ])
  })

  it('has nginx close its connections where that is set, and keep them otherwise', () => {
    expect(nginxConfig({ kind: 'nginx' }, PLACE)).toMatch(
      /keepalive_requests 1000000000;\n\s+keepalive_timeout 600000ms;/,
    )
    const brief = nginxConfig({ kind: 'nginx', keepaliveRequests: 20, keepaliveTimeoutMs: 60 }, PLACE)
    expect(brief).toMatch(/keepalive_requests 20;\n\s+keepalive_timeout 60ms;/)
  })

  it('has caddy serve every port under one name, and no address twice', () => {
    expect(caddyConfig(PLACE)).toContain(
      'https://origin.test:4001, https://origin.test:4002 {\n\tbind 127.0.0.1 10.78.0.2\n',
    )
    expect(caddyConfig({ ...PLACE, address: '127.0.0.1' })).toContain('\tbind 127.0.0.1\n')
  })
})

describe('the requests of a load', () => {
  it('expect as many bytes as the files of the origins have', () => {
    for (const size of ['1k', '100k', '1m'] as const) expect(get(size).expectedBytes).toBe(BODY_BYTES[size])
  })
})
