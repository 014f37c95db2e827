import { describe, expect, it } from 'vitest'
import { REHEARSED_NAME, rehearsedAnswer } from '../../../src/cli/rehearsed-names.ts'
import { type DnsType, encodeQuery, readReply } from '../../../src/dns/records/dns-message.ts'

const replyTo = (type: DnsType) => {
  const query = encodeQuery({ name: REHEARSED_NAME, type }, 4711)
  const answer = rehearsedAnswer(query.bytes)
  return answer && readReply(answer, query)
}

describe('rehearsedAnswer', () => {
  it('has one address of IPv4, of this machine', () => {
    expect(replyTo('A')).toMatchObject({
      kind: 'reply',
      reply: {
        doesExist: true,
        answers: [{ type: 'A', name: REHEARSED_NAME, ttlSeconds: 60, address: '127.0.0.1' }],
      },
    })
  })

  it('has nothing else of that name', () => {
    for (const type of ['AAAA', 'HTTPS'] as const)
      expect(replyTo(type)).toMatchObject({ kind: 'reply', reply: { doesExist: true, answers: [] } })
  })

  it('gives none to what is no query', () => {
    const { bytes } = encodeQuery({ name: REHEARSED_NAME, type: 'A' }, 1, false)
    for (let length = 0; length < bytes.length; length++)
      expect(rehearsedAnswer(bytes.subarray(0, length)), `${length} bytes`).toBeUndefined()
    expect(rehearsedAnswer(bytes)).toBeDefined()
  })
})
