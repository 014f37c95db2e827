import { describe, expect, it } from 'vitest'
import { SessionLife } from '../../../../src/http/multiplex/session-life.ts'

describe('the life of a session', () => {
  it('goes from open to its end, however it was led there', () => {
    const life = new SessionLife()
    expect([life.isOpen, life.isClosing, life.isEnded]).toEqual([true, false, false])
    life.close()
    expect([life.isOpen, life.isClosing, life.state]).toEqual([
      false,
      true,
      { kind: 'closing', said: 'nothing' },
    ])
    life.end()
    expect([life.isOpen, life.isClosing, life.isEnded]).toEqual([false, false, true])
  })

  it('sends GOAWAY twice, in this order, and each once', () => {
    const life = new SessionLife()
    expect(life.announceLastStream()).toBe(false)
    expect([life.announceEnd(), life.announceEnd()]).toEqual([true, false])
    expect(life.state).toEqual({ kind: 'draining' })
    expect([life.announceLastStream(), life.announceLastStream()]).toEqual([true, false])
    expect([life.announceEnd(), life.state]).toEqual([false, { kind: 'closing', said: 'last' }])
  })

  it('sends GOAWAY to a client that leaves as well, and ends with its last stream all the same', () => {
    const leaving = new SessionLife()
    leaving.close()
    expect([leaving.announceEnd(), leaving.isClosing]).toEqual([true, true])
    expect([leaving.announceLastStream(), leaving.state]).toEqual([true, { kind: 'closing', said: 'last' }])
    const left = new SessionLife()
    left.announceEnd()
    left.close()
    expect(left.state).toEqual({ kind: 'closing', said: 'first' })
  })

  it('is ended for its streams while it lingers', () => {
    const life = new SessionLife()
    life.linger()
    expect([life.isEnded, life.state.kind]).toEqual([true, 'lingering'])
    life.end()
    expect(life.state.kind).toBe('ended')
  })

  it('throws for an impossible transition', () => {
    const life = new SessionLife()
    life.end()
    expect(() => life.end()).toThrow('a session that is ended cannot be ended')
    expect(() => life.linger()).toThrow('a session that is ended cannot be lingering')
    life.close()
    expect([life.announceEnd(), life.announceLastStream(), life.state.kind]).toEqual([false, false, 'ended'])
  })
})
