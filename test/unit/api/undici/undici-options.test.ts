import type { Dispatcher } from 'undici'
import { describe, expect, it } from 'vitest'
import { fromUndiciOptions } from '../../../../src/api/undici/undici-options.ts'

describe('fromUndiciOptions', () => {
  const from = (options: Partial<Dispatcher.DispatchOptions>) =>
    fromUndiciOptions({ path: '/', method: 'GET', ...options })

  it('makes a request from the fewest options possible', () => {
    expect(from({})).toEqual({
      method: 'GET',
      path: '/',
      headers: [],
      body: null,
      authority: undefined,
      upgrade: undefined,
      headersTimeoutMs: undefined,
      bodyTimeoutMs: undefined,
    })
  })

  it('puts the query behind the path, once', () => {
    expect(from({ query: { a: '1 2', b: ['x', 'y'] } }).path).toBe('/?a=1%202&b=x&b=y')
    expect(from({ query: {} }).path).toBe('/')
    expect(() => from({ path: '/?a', query: { b: 1 } })).toThrow('query cannot be given')
  })

  it('reads timeouts; null means the default', () => {
    expect(from({ headersTimeout: 0, bodyTimeout: 5 })).toMatchObject({
      headersTimeoutMs: 0,
      bodyTimeoutMs: 5,
    })
    expect(from({ headersTimeout: null })).toMatchObject({ headersTimeoutMs: undefined })
    expect(() => from({ bodyTimeout: -1 })).toThrow('bodyTimeout must be')
    expect(() => from({ headersTimeout: Number.NaN })).toThrow('headersTimeout must be')
  })

  it('asks for an upgrade in lower case', () => {
    expect(from({ upgrade: 'Websocket' }).upgrade).toBe('websocket')
    expect(from({ upgrade: null }).upgrade).toBeUndefined()
  })

  it('takes the path of a CONNECT for its authority', () => {
    expect(from({ method: 'CONNECT', path: 'inner.test:443', headers: { host: 'x' } })).toMatchObject({
      path: '',
      authority: 'inner.test:443',
    })
  })

  it.each([
    ['maxRedirections', 5, 'redirect interceptor'],
    ['throwOnError', true, 'responseError interceptor'],
    ['expectContinue', true, 'bodies are sent at once'],
    ['reset', true, 'pool.maxRequests'],
    ['typeOfService', 16, 'no socket'],
    ['maxResponseSize', 10, 'dump interceptor'],
    ['keepAlive', true, 'no such option'],
  ])('refuses %s by name, with what to do instead', (name, value, instead) => {
    const options = { origin: 'http://a', path: '/', method: 'GET' as const, [name]: value }
    expect(() => fromUndiciOptions(options)).toThrow(expect.objectContaining({ code: 'MM_INVALID_ARGUMENT' }))
    expect(() => fromUndiciOptions(options)).toThrow(`"${name}" is not supported: `)
    expect(() => fromUndiciOptions(options)).toThrow(instead)
  })

  it('accepts options that ask for nothing, and those that are for undici and its interceptors', () => {
    const nothing = {
      maxRedirections: 0,
      throwOnError: null,
      expectContinue: false,
      reset: null,
      foo: undefined,
    }
    const theirs = {
      opaque: 1,
      signal: null,
      dispatcher: {},
      retryOptions: {},
      idempotent: true,
      blocking: false,
    }
    const options = { origin: 'http://a', path: '/', method: 'GET' as const, ...nothing, ...theirs }
    expect(fromUndiciOptions(options as unknown as Dispatcher.DispatchOptions)).toMatchObject({
      method: 'GET',
      path: '/',
    }) // wider than its type
  })
})
