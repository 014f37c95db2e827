import { describe, expect, it } from 'vitest'
import { parseAltSvc } from '../../../../src/select/evidence/alt-svc.ts'

const DAY = 86_400
const entry = (change: object = {}) => ({
  protocolId: 'h3',
  host: '',
  port: 443,
  maxAgeSeconds: DAY,
  persists: false,
  ...change,
})
const alternatives = (value: string) => {
  const header = parseAltSvc(value)
  return header?.clears === false ? header.alternatives : header
}

describe('parseAltSvc', () => {
  it.each([
    ['h3=":443"', entry()],
    ['h3=":443"; ma=60', entry({ maxAgeSeconds: 60 })],
    ['h3=":443";ma=60;persist=1', entry({ maxAgeSeconds: 60, persists: true })],
    ['h3=":443" \t; \tma=60', entry({ maxAgeSeconds: 60 })],
    ['h3=":443"; MA="60"', entry({ maxAgeSeconds: 60 })],
    ['h3=":443"; ma=0', entry({ maxAgeSeconds: 0 })],
    ['h3=":443"; ma=60; ma=30', entry({ maxAgeSeconds: 30 })],
    ['h3=":443"; ma=99999999999999999999999', entry({ maxAgeSeconds: 30 * DAY })],
    ['h3=":443"; persist=2', entry()],
    ['h3=":443"; v="46,43"; what=ever', entry()],
    ['h3="Alt.Example.:8443"', entry({ host: 'alt.example', port: 8443 })],
    ['h3="[2001:DB8:0::1]:443"', entry({ host: '2001:db8::1' })],
    ['h3="192.0.2.1:1"', entry({ host: '192.0.2.1', port: 1 })],
    ['h3="\\a.example\\:65535"', entry({ host: 'a.example', port: 65_535 })],
    ['w%3Dx%3Ay%2F1=":80"', entry({ protocolId: 'w=x:y/1', port: 80 })],
    ['%ff%25=":80"', entry({ protocolId: '\xff%', port: 80 })],
    // The examples of RFC 7838 section 3 and of its 3.1
    ['h2=":8000"', entry({ protocolId: 'h2', port: 8000 })],
    ['h2="new.example.org:80"', entry({ protocolId: 'h2', host: 'new.example.org', port: 80 })],
    ['h2=":443"; ma=3600', entry({ protocolId: 'h2', maxAgeSeconds: 3600 })],
  ])('reads %s', (value, expected) => {
    expect(alternatives(value)).toEqual([expected])
  })

  it('keeps the order of a list, also of one that came in several lines', () => {
    expect(alternatives('h2="alt.example.com:8000", h2=":443",, h3=":8443";ma=1')).toEqual([
      entry({ protocolId: 'h2', host: 'alt.example.com', port: 8000 }),
      entry({ protocolId: 'h2' }),
      entry({ port: 8443, maxAgeSeconds: 1 }),
    ])
  })

  it.each(['clear', ' clear ', 'clear, clear'])('treats %j as a revocation', value => {
    expect(parseAltSvc(value)).toEqual({ clears: true })
  })

  it.each([
    ['Clear'],
    ['CLEAR'],
    [''],
    [' , ,'],
    ['h3'],
    ['h3='],
    ['=":443"'],
    ['h3=:443'],
    ['h3=443'],
    ['h3 =":443"'],
    ['h3= ":443"'],
    ['h3="443"'],
    ['h3=""'],
    ['h3=":"'],
    ['h3=":0"'],
    ['h3=":65536"'],
    ['h3=":+443"'],
    ['h3=":443 "'],
    ['h3="example.com"'],
    ['h3="[::1]"'],
    ['h3="::1:443"'],
    ['h3="[:::::]:443"'],
    ['h3="user@example.com:443"'],
    ['h3="a/b:443"'],
    ['h3="256.1.1.1:443"'],
    ['h3=".:443"'],
    [`h3="${'a'.repeat(254)}:443"`],
    ['h3=":443\u0000"'],
    ['h3=":443\u0100"'],
    ['h3=":443"x'],
    ['h3=":443"; ma'],
    ['h3=":443"; ma='],
    ['h3=":443"; ma=-1'],
    ['h3=":443"; ma=1.5'],
    ['h3=":443"; ma=""'],
    ['h3=":443";'],
    ['h%3=":443"'],
    ['h%zz=":443"'],
    ['h%=":443"'],
    ['h3=":443'],
    ['h3=":443\\"'],
    ['ä=":443"'],
    ['\u00a0clear'],
  ])('refuses %j', value => {
    expect(parseAltSvc(value)).toBeUndefined()
  })

  it('drops an invalid entry, and no other', () => {
    expect(alternatives('h3=":0", clear, h3=":1"; ma=x, "a,b", h3=":443"')).toEqual([entry()])
  })

  it('refuses a list whose structure is wrong', () => {
    expect(parseAltSvc('h3=":443", h2=":443')).toBeUndefined()
  })

  it('is bounded', () => {
    const many = Array.from({ length: 20 }, (_, i) => `h3=":${i + 1}"`).join(',')
    expect(alternatives(many)).toHaveLength(16)
    const padding = 'x'.repeat(4096 - 'h3=":443"; y='.length)
    expect(alternatives(`h3=":443"; y=${padding}`)).toEqual([entry()])
    expect(parseAltSvc(`h3=":443"; y=${padding}x`)).toBeUndefined()
  })
})
