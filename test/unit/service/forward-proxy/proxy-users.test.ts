import { createHash } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { ProxyUsers, parseProxyUser } from '../../../../src/service/forward-proxy/proxy-users.ts'

const hash = (password: string): string => createHash('sha256').update(password).digest('hex')

function usersOf(...texts: string[]): ProxyUsers {
  return new ProxyUsers(texts.flatMap(text => parseProxyUser(text) ?? []))
}

const basic = (credentials: string): string => `Basic ${Buffer.from(credentials).toString('base64')}`

describe('ProxyUsers', () => {
  const users = usersOf(`ann:${hash('pass:word')}`, `zoë:${hash('ü')}`)
  const userOf = (...headers: string[]): string | undefined => users.userOf(headers)

  it('knows a user by name and password, colons and other alphabets in it', () => {
    expect(userOf('proxy-authorization', basic('ann:pass:word'))).toBe('ann')
    expect(userOf('accept', '*/*', 'proxy-authorization', basic('zoë:ü'))).toBe('zoë')
    expect(userOf('proxy-authorization', basic('ann:pass:word').replace('Basic', 'bAsIc'))).toBe('ann')
  })

  it.each([
    ['a wrong password', basic('ann:password')],
    ['no password', basic('ann:')],
    ['no colon', basic('ann')],
    ['an unknown user', basic('bob:pass:word')],
    ['a user without a name', basic(':')],
    ['another scheme', basic('ann:pass:word').replace('Basic', 'Bearer')],
    ['what is no base64', 'Basic a-b'],
    ['two answers', `${basic('ann:pass:word')}, ${basic('ann:pass:word')}`],
    ['a very long one', basic(`ann:${'x'.repeat(2_000)}`)],
    ['nothing', ''],
  ])('does not know %s', (_what, value) => {
    expect(userOf('proxy-authorization', value)).toBeUndefined()
  })

  it('does not go by what is for origins', () => {
    expect(userOf('authorization', basic('ann:pass:word'))).toBeUndefined()
    expect(userOf()).toBeUndefined()
  })
})

describe('parseProxyUser', () => {
  it.each(['ann', 'ann:', 'ann:secret', `:${hash('x')}`, `ann:${hash('x')}0`, ` ann:${hash('x')}`])(
    'refuses %s',
    text => {
      expect(parseProxyUser(text)).toBeUndefined()
    },
  )
})
