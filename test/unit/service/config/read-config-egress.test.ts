import { describe, expect, it } from 'vitest'
import { formatFault } from '../../../../src/service/config/config-fault.ts'
import { readConfigText } from '../../../../src/service/config/read-config.ts'

function read(text: string) {
  return readConfigText(`listen: [{ address: :80 }]\n${text}`, '/nowhere')
}

function faults(text: string): string[] {
  const result = read(text)
  return result.ok ? [] : result.faults.map(fault => formatFault(fault))
}

describe('the configuration of an egress', () => {
  it('has its proxies and how long one carries, and which origin uses which', () => {
    const result = read(
      `egress: { out: { proxies: ['http://me:secret@p.test:3128', 'socks5h://q.test'], sticky: 90s } }
defaults: { egress: out }
origins: { a: { url: 'https://a.test', egress: out } }`,
    )
    expect(result.ok && result.settings.transport).toMatchObject({
      egress: { out: { proxies: ['http://me:secret@p.test:3128', 'socks5h://q.test'], stickyMs: 90_000 } },
      defaults: { egress: 'out' },
      origins: { 'https://a.test': { egress: 'out' } },
    })
  })

  it('is refused at its place, and no fault repeats a password', () => {
    const found = faults(
      `egress: { out: { proxies: ['ftp://me:secret@p.test'] }, none: { proxies: [] } }
origins: { a: { url: 'https://a.test', egress: ou }, b: { url: 'https://b.test', egress: out, protocols: [h3] } }`,
    )
    expect(found.join('\n')).not.toContain('secret')
    expect(found).toEqual([
      expect.stringContaining('egress.out.proxies[0]: the URL of a proxy has the scheme ftp'),
      expect.stringContaining('egress.none.proxies'),
      expect.stringContaining('origins.a.egress: no egress is called "ou"; did you mean out?'),
      expect.stringContaining('origins.b.egress: HTTP/3 does not go through a proxy'),
    ])
  })
})
