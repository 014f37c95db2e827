import { describe, expect, it } from 'vitest'
import {
  MAX_VALUE_LENGTH,
  parseTemplate,
  renderUri,
  renderValue,
  type Template,
  type TemplateContext,
} from '../../../../src/service/routes/template.ts'
import { fc } from '../../../support/property.ts'
import { FakeIngressExchange } from '../fake-ingress-exchange.ts'

function read(text: string, captures: readonly string[] = ['id']): Template {
  const template = parseTemplate(text, captures)
  if (typeof template === 'string') throw new Error(template)
  return template
}

function contextOf(
  changes: Partial<TemplateContext> & { headers?: readonly string[] } = {},
): TemplateContext {
  const { headers = [], ...rest } = changes
  const request = new FakeIngressExchange({ headers })
  return {
    request,
    path: '/x?y=1',
    captures: { id: '7' },
    requestId: 'r',
    route: 'one',
    origin: 'a',
    ...rest,
  }
}

describe('parseTemplate', () => {
  it.each([
    ['$nothing', '$nothing is no variable; there are client, '],
    ['a$', '$ is no variable'],
    ['${', '$ is no variable'],
    ['${header.}', '${header.} is no variable'],
    ['${header.a b}', '${header.a b} is no variable'],
    ['${capture.x}', '${capture.x} is no capture of this route: it captures id'],
    ['${constructor}', '${constructor} is no variable'],
    ['a\nb', 'must be one line of printable ASCII'],
    ['a'.repeat(2_049), '2048 characters at the most'],
  ])('refuses %j', (text, fault) => {
    expect(parseTemplate(text, ['id'])).toContain(fault)
  })
})

it('a template writes the same variable into fields and URIs as each may have it', () => {
  const context = contextOf({ headers: ['x', ' a/b?c d\xe9'], path: '/p/a?q=%2F&r=%0d%0a' })
  expect(renderValue(read('<${header.x}>'), context)).toBe('<a/b?c d\xe9>'.replace('<a', '< a'))
  expect(renderUri(read('/${header.x}'), context)).toBe('/%20a%2Fb%3Fc%20d%E9')
  expect(renderUri(read('/${query.q}$path'), context)).toBe('/%2F/p/a')
  expect(renderUri(read('/${query.u}'), contextOf({ path: '/?u=%C3%A9' }))).toBe('/%C3%A9')
  expect(renderValue(read('[${query.r}]'), context)).toBe('[??]')
  expect(renderUri(read('/${query.none}${capture.id}'), context)).toBe('/7')
})

it('a template bounds what it writes', () => {
  const context = contextOf({ headers: ['x', 'a'.repeat(MAX_VALUE_LENGTH + 1)] })
  expect(renderValue(read('${header.x}'), context)).toHaveLength(MAX_VALUE_LENGTH)
  expect(renderUri(read('${header.x}'), context)).toBeUndefined()
  const fits = contextOf({ headers: ['x', 'a'.repeat(MAX_VALUE_LENGTH)] })
  expect(renderUri(read('${header.x}'), fits)).toHaveLength(MAX_VALUE_LENGTH)
})

it('a template never writes what ends a line, or a URI, whatever a client sends', () => {
  const all = read('a${header.x}b${query.q}c${capture.id}d$path$target$query$host$tlsName')
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), fc.string({ unit: 'binary' }), (text, other) => {
      const tls = { version: 'TLSv1.3', serverName: other }
      const request = Object.assign(new FakeIngressExchange({ headers: ['x', text], authority: other }), {
        tls,
      })
      const path = `/${other}?q=${encodeURIComponent(text.replace(/[\ud800-\udfff]/g, ''))}`
      const context = contextOf({ request, path, captures: { id: text } })
      expect(renderValue(all, context)).toMatch(/^[\t\x20-\x7e\x80-\xff]*$/)
      expect(renderUri(all, context) ?? '').toMatch(/^[!-~]*$/)
    }),
  )
})
