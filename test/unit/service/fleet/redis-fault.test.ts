import { describe, expect, it } from 'vitest'
import { RedisTimeout, redisFault } from '../../../../src/service/fleet/redis-fault.ts'

class SimpleError extends Error {}
class SocketClosedUnexpectedlyError extends Error {}

describe('the reason why Redis does not answer', () => {
  it.each([
    [
      new SimpleError('WRONGPASS invalid username-password pair'),
      'the user or the password is wrong (WRONGPASS)',
    ],
    [new SimpleError('NOAUTH Authentication required.'), 'it asks for a password (NOAUTH)'],
    [new SimpleError('LOADING Redis is loading the dataset in memory'), 'it is loading its data (LOADING)'],
    [new SimpleError('CROSSSLOT Keys in request'), 'it answers CROSSSLOT'],
    [new RedisTimeout(), 'it does not answer in time'],
    [new SocketClosedUnexpectedlyError('Socket closed'), 'it closed the connection'],
    [Object.assign(new Error('connect'), { code: 'ECONNREFUSED' }), 'ECONNREFUSED'],
    [new AggregateError([Object.assign(new Error('x'), { code: 'EHOSTUNREACH' })]), 'EHOSTUNREACH'],
    [new Error('x', { cause: Object.assign(new Error('y'), { code: 'ENOTFOUND' }) }), 'ENOTFOUND'],
    [new Error('Unknown RESP type 72 "H"'), 'it answers in another way than Redis does'],
    ['not an error', 'it failed'],
  ])('is put in our words for %s', (error, expected) => {
    expect(redisFault(error)).toBe(expected)
  })

  it.each([
    new SimpleError("ERR unknown command 'AUTH', with args beginning with: 'edge' 'open-sesame'"),
    new SimpleError('open-sesame WRONGPASS'),
    new SimpleError('OPENSESAME'),
    new Error('open-sesame'),
    Object.assign(new Error(''), { code: 'open-sesame' }),
  ])('repeats nothing that may be a password: %s', error => {
    expect(redisFault(error)).not.toMatch(/open-sesame/i)
  })
})
