import { describe, expect, it } from 'vitest'
import { TransportError } from '../../../../src/index.ts'
import { sessionFields } from '../../../../src/service/web-transport/join-sessions.ts'
import { admitSession, ListenerSessions } from '../../../../src/service/web-transport/session-table.ts'

const LIMITS = { maxSessions: 2, maxSessionsPerConnection: undefined, idleTimeoutMs: 5 }
const HTTP3 = { httpVersion: '3' }

function codeOf(answer: ReturnType<typeof admitSession>): string | undefined {
  return answer instanceof TransportError ? answer.code : undefined
}

describe('the sessions of a listener', () => {
  it('are as many as it may have, and one that ends makes room', () => {
    const sessions = new ListenerSessions(LIMITS)
    const first = admitSession(sessions, HTTP3, { protocols: undefined })
    expect(first).toMatchObject({ idleMs: 5 })
    admitSession(sessions, HTTP3, { protocols: ['h3'] })
    expect(codeOf(admitSession(sessions, HTTP3, { protocols: undefined }))).toBe('MM_WEBTRANSPORT_LIMIT')
    if (!(first instanceof TransportError)) first.release()
    expect(codeOf(admitSession(sessions, HTTP3, { protocols: undefined }))).toBeUndefined()
  })

  it('come over HTTP/3, where they are offered, to routes that allow it', () => {
    const sessions = new ListenerSessions(LIMITS)
    const any = { protocols: undefined }
    expect(codeOf(admitSession(undefined, HTTP3, any))).toBe('MM_WEBTRANSPORT_NOT_OFFERED')
    for (const httpVersion of ['1.1', '2'])
      expect(codeOf(admitSession(sessions, { httpVersion }, any))).toBe('MM_WEBTRANSPORT_NOT_OFFERED')
    const overTcp = { protocols: ['h2', 'http/1.1'] as const }
    expect(codeOf(admitSession(sessions, HTTP3, overTcp))).toBe('MM_WEBTRANSPORT_UNAVAILABLE')
  })
})

describe('the fields of a CONNECT, and of its answer', () => {
  it('go on without those of one hop', () => {
    expect(
      sessionFields([
        'sec-webtransport-http3-draft02',
        '1',
        'wt-available-protocols',
        '"a"',
        'wt-protocol',
        '"a"',
        'sec-webtransport-http3-draft',
        'draft02',
        'x-a',
        'b',
      ]),
    ).toEqual(['wt-available-protocols', '"a"', 'x-a', 'b'])
  })
})
