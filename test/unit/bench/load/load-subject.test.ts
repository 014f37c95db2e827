import { describe, expect, it } from 'vitest'
import {
  http3RivalsOf,
  type LoadSubject,
  otherHandshakes,
  referencesOf,
} from '../../../../bench/load/load-subject.ts'
import { NODE_HTTP2, ours, oursAuto, theirs, UNDICI } from '../../../../bench/load/load-tables.ts'

const named = (subjects: readonly LoadSubject[]) =>
  referencesOf(subjects.map(subject => ({ name: subject.name, subject })))

describe('the subjects of a load', () => {
  it('are named by library, protocol, manner and origin, and hold the library to the protocol', () => {
    const subject = ours('h3', 'caddy', { words: 'resumed', keepsTickets: true, connections: 2 })
    expect(subject).toMatchObject({
      name: 'middlemile h3 resumed at caddy',
      origin: 'caddy',
      setting: { connections: 2, protocols: ['h3'] },
      protocol: 'h3',
      keepsTickets: true,
      isExtra: false,
    })
    expect(Object.keys(subject.setting)).toEqual(['connections', 'protocols'])
    expect(oursAuto('caddy').setting).toEqual({ connections: 0 })
    // The command line separates names by commas.
    expect(subject.name).not.toContain(',')
  })
})

describe('otherHandshakes', () => {
  const opened = { full: 0, resumed: 2, earlyData: 0, cleartext: 0 }

  it('finds none where connections began as their subject is named for, or where it claims nothing', () => {
    expect(otherHandshakes({ handshake: 'resumed' }, opened)).toBeUndefined()
    expect(otherHandshakes({}, undefined)).toBeUndefined()
  })

  it('says how connections began instead', () => {
    expect(otherHandshakes({ handshake: 'earlyData' }, { ...opened, full: 1 })).toBe(
      'not earlyData but 1 full, 2 resumed',
    )
    expect(otherHandshakes({ handshake: 'full' }, undefined)).toContain('not known')
  })
})

describe('referencesOf', () => {
  const atCaddy = [
    ours('http/1.1', 'caddy'),
    ours('h2', 'caddy'),
    ours('h3', 'caddy'),
    theirs('undici', UNDICI, 'http/1.1', 'caddy'),
  ]
  const atNginx = [ours('h2', 'nginx'), theirs('node:http2', NODE_HTTP2, 'h2', 'nginx')]
  const references = named([...atCaddy, ...atNginx])

  it('compares ours with the others at the same origin, and with our own HTTP/1.1', () => {
    expect(references('middlemile h3 at caddy')).toEqual(['middlemile h1 at caddy', 'undici h1 at caddy'])
    expect(references('middlemile h1 at caddy')).toEqual(['undici h1 at caddy'])
    expect(references('middlemile h2 at nginx')).toEqual(['node:http2 h2 at nginx'])
  })

  it('takes our own HTTP/2 where there is no HTTP/1.1', () => {
    expect(named(atCaddy.slice(1))('middlemile h3 at caddy')).toContain('middlemile h2 at caddy')
  })

  it('compares nothing with other libraries, and ignores unknown subjects', () => {
    expect(references('undici h1 at caddy')).toEqual([])
    expect(references('curl')).toEqual([])
  })
})

describe('http3RivalsOf', () => {
  const rivalsOf = (...subjects: readonly LoadSubject[]) =>
    http3RivalsOf(subjects.map(subject => ({ name: subject.name, subject })))(subjects[0]?.name ?? '')
  const early = { words: 'early data', keepsTickets: true, earlyData: true }

  it('are ours over TCP at the same origin, whatever the number of their connections', () => {
    const six = ours('http/1.1', 'caddy', { words: 'x6', connections: 6 })
    expect(
      rivalsOf(
        ours('h3', 'caddy'),
        six,
        ours('h2', 'caddy'),
        ours('h2', 'nginx'),
        oursAuto('caddy'),
        theirs('undici', UNDICI, 'http/1.1', 'caddy'),
      ),
    ).toEqual(['middlemile h1 x6 at caddy', 'middlemile h2 at caddy'])
  })

  it('are those at other origins where this one speaks HTTP/3 alone', () => {
    expect(rivalsOf(ours('h3', 'own'), ours('h2', 'nginx'))).toEqual(['middlemile h2 at nginx'])
  })

  it('begin their connections in the same way', () => {
    expect(
      rivalsOf(
        ours('h3', 'caddy', early),
        ours('h2', 'caddy'),
        ours('h2', 'caddy', { words: 'resumed', keepsTickets: true }),
        ours('h2', 'nginx', early),
      ),
    ).toEqual(['middlemile h2 early data at nginx'])
  })

  it('are none for a subject without HTTP/3', () => {
    expect(rivalsOf(ours('h2', 'caddy'), ours('http/1.1', 'caddy'))).toEqual([])
    expect(http3RivalsOf([])('a stranger')).toEqual([])
  })
})
