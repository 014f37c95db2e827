import { describe, expect, it } from 'vitest'
import { DEFAULT_UDP_TEMPLATE, UdpTemplate } from '../../../src/masque/udp-template.ts'
import { fc } from '../../support/property.ts'

function template(text: string = DEFAULT_UDP_TEMPLATE): UdpTemplate {
  const parsed = UdpTemplate.parse(text)
  if (typeof parsed === 'string') throw new Error(parsed)
  return parsed
}

const FORMS = [
  DEFAULT_UDP_TEMPLATE,
  '/masque?h={target_host}&p={target_port}',
  '/masque{?target_host,target_port}',
  '/m?a=1{&target_port,target_host}',
  '/{target_port}/x/{target_host}',
]

describe('a template of CONNECT-UDP', () => {
  it('becomes the path of a target, with all that is reserved escaped', () => {
    const v6 = { host: '2001:db8::42', port: 443 }
    expect(FORMS.map(form => template(form).expand(v6))).toEqual([
      '/.well-known/masque/udp/2001%3Adb8%3A%3A42/443/',
      '/masque?h=2001%3Adb8%3A%3A42&p=443',
      '/masque?target_host=2001%3Adb8%3A%3A42&target_port=443',
      '/m?a=1&target_port=443&target_host=2001%3Adb8%3A%3A42',
      '/443/x/2001%3Adb8%3A%3A42',
    ])
  })

  it('is read back to the target, whatever host and port it is', () => {
    const host = fc.oneof(fc.domain(), fc.ipV4(), fc.ipV6(), fc.stringMatching(/^[a-z0-9_-]{1,60}$/))
    fc.assert(
      fc.property(
        host,
        fc.integer({ min: 1, max: 65_535 }),
        fc.constantFrom(...FORMS),
        (name, port, form) => {
          const named = template(form)
          expect(named.match(named.expand({ host: name, port }))).toEqual({ host: name, port })
        },
      ),
    )
  })

  it('does not match another path, and noise only ever names a target or nothing', () => {
    for (const path of [
      '/',
      '',
      '/.well-known/masque/udp/a/443',
      '/.well-known/masque/udp//443/',
      '/x/a/443/',
    ])
      expect(template().match(path)).toBeUndefined()
    expect(template().match(`/.well-known/masque/udp/${'a'.repeat(5_000)}/443/`)).toBeUndefined()
    const around = fc.tuple(fc.string({ maxLength: 40 }), fc.string({ maxLength: 10 }))
    fc.assert(
      fc.property(around, ([host, port]) => {
        const found = template().match(`/.well-known/masque/udp/${host}/${port}/`)
        if (typeof found === 'object') expect(String(found.port)).toBe(port)
      }),
    )
  })

  it.each([
    ['/.well-known/masque/udp/fe80%3A%3A1%25eth0/443/', 'zone'],
    ['/.well-known/masque/udp/%ff/443/', 'no text'],
    ['/.well-known/masque/udp/a.example/0/', 'port'],
    ['/.well-known/masque/udp/a.example/65536/', 'port'],
    ['/.well-known/masque/udp/a.example/0443/', 'port'],
    ['/.well-known/masque/udp/a.example/https/', 'port'],
  ])('tells why %s names no target', (path, because) => {
    expect(template().match(path)).toContain(because)
  })

  it.each([
    ['masque/{target_host}/{target_port}', 'begin with /'],
    ['/{target_host}', 'each of them once'],
    ['/{target_host}/{target_host}/{target_port}', 'each of them once'],
    ['/{target_host}{target_port}', 'separator'],
    ['/{target_host}x{target_port}', 'separator'],
    ['/{target_host,target_port}', 'not one variable'],
    ['/{+target_host}/{target_port}', 'each of them once'],
    ['/{other}/{target_host}/{target_port}', 'characters'],
    ['/a b/{target_host}/{target_port}', 'characters'],
    [`/${'a'.repeat(1_024)}/{target_host}/{target_port}`, '1024'],
  ])('cannot be %s', (text, because) => {
    expect(UdpTemplate.parse(text)).toContain(because)
  })
})
