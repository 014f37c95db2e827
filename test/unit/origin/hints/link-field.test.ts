import { describe, expect, it } from 'vitest'
import { MAX_LINK_CHARS, MAX_PRECONNECTS, readPreconnects } from '../../../../src/origin/hints/link-field.ts'
import { fc } from '../../../support/property.ts'

describe('links to preconnect', () => {
  it.each([
    ['<https://a.example>; rel=preconnect', ['https://a.example']],
    ['<https://a.example>;rel="preconnect";crossorigin', ['https://a.example']],
    [' , <https://a.example> ; REL = "dns-prefetch\tPreconnect" , ', ['https://a.example']],
    [
      '</s.css>; rel=preload; as=style, <//b.example>; rel=preconnect, <https://c>; rel=preconnect',
      ['//b.example', 'https://c'],
    ],
    ['<https://a/?x=1,2;y=3>; rel=preconnect', ['https://a/?x=1,2;y=3']],
    ['<https://a>; title="a, <https://b>; rel=preconnect"; rel=preconnect', ['https://a']],
    ['<https://a>; title="\\""; rel="pre\\connect"', ['https://a']],
    ['<https://a>; rel=preconnect, <https://a>; rel=preconnect', ['https://a']],
    ['<https://a>; crossorigin; ; rel=preconnect', ['https://a']],
    ['<https://a>;=x; rel=preconnect', ['https://a']],
  ])('are found in %j', (value, targets) => {
    expect(readPreconnects(value)).toEqual(targets)
  })

  it.each([
    [''],
    ['https://a; rel=preconnect'],
    ['<https://a'],
    ['<https://a>'],
    ['<https://a>; rel'],
    ['<https://a>; rel=preconnected'],
    ['<https://a>; rel=next; rel=preconnect'],
    ['<https://a>; rel=preconnect; anchor="/other"'],
    ['<https://a>; rel*=preconnect'],
    ['<https://a>; title="; rel=preconnect'],
    ['nonsense, <https://a>; rel=preconnect'],
  ])('are none in %j', value => {
    expect(readPreconnects(value)).toEqual([])
  })

  it('are bounded in number and in bytes', () => {
    const links = (count: number, rel: string) =>
      Array.from({ length: count }, (_, index) => `<https://${index}>; rel=${rel}`).join(', ')
    expect(readPreconnects(links(20, 'preconnect'))).toHaveLength(MAX_PRECONNECTS)
    expect(readPreconnects(`${links(63, 'x')}, <https://a>; rel=preconnect`)).toEqual(['https://a'])
    expect(readPreconnects(`${links(64, 'x')}, <https://a>; rel=preconnect`)).toEqual([])
    const late = `<https://a>; title="${'x'.repeat(MAX_LINK_CHARS)}"; rel=preconnect`
    expect(readPreconnects(late)).toEqual([])
  })

  it('are read as they were written, whatever stands between them', () => {
    const token = fc.stringMatching(/^[a-z0-9-]{1,12}$/)
    const quoted = fc.string({ maxLength: 20 }).map(text => `"${text.replace(/["\\]/g, '\\$&')}"`)
    const parameter = fc
      .tuple(token, fc.option(fc.oneof(token, quoted)))
      .filter(([name]) => name !== 'rel' && name !== 'anchor')
      .map(([name, value]) => (value === null ? name : `${name}=${value}`))
    const space = fc.constantFrom('', ' ', '\t', ' \t ')
    const link = fc.record({
      host: token,
      isPreconnect: fc.boolean(),
      before: fc.array(parameter, { maxLength: 3 }),
      after: fc.array(parameter, { maxLength: 3 }),
      space,
    })
    fc.assert(
      fc.property(fc.array(link, { maxLength: 8 }), links => {
        const text = links
          .map(({ host, isPreconnect, before, after, space }) =>
            [
              `<https://${host}>`,
              ...before,
              `rel=${isPreconnect ? 'preconnect' : '"next prev"'}`,
              ...after,
            ].join(`${space};${space}`),
          )
          .join(',')
        const wanted = links.filter(({ isPreconnect }) => isPreconnect).map(({ host }) => `https://${host}`)
        expect(readPreconnects(text)).toEqual([...new Set(wanted)].slice(0, MAX_PRECONNECTS))
      }),
    )
  })

  it('are read without a fault, whatever is written', () => {
    const piece = fc.constantFrom(
      '<',
      '>',
      ';',
      ',',
      '=',
      '"',
      '\\',
      ' ',
      'rel',
      'preconnect',
      'anchor',
      'https://a',
    )
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          fc.array(piece).map(pieces => pieces.join('')),
        ),
        value => {
          expect(readPreconnects(value).length).toBeLessThanOrEqual(MAX_PRECONNECTS)
        },
      ),
    )
  })
})
