import { chmodSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { FakeClock } from '../../../src/testing/fake-clock.ts'
import { openTickets } from '../../../src/transport/open-tickets.ts'
import { makeTemporaryDirectory, type TemporaryDirectory } from '../../support/temporary-directory.ts'

describe('openTickets', () => {
  let temporary: TemporaryDirectory
  let faults: string[]
  beforeEach(() => {
    temporary = makeTemporaryDirectory('tickets')
    faults = []
  })
  afterEach(() => temporary.remove())
  const open = (directory: string, clock = new FakeClock()) =>
    openTickets({ state: { directory } }, clock, message => void faults.push(message))

  it('keeps tickets in a directory, for the next one who opens it', () => {
    const directory = join(temporary.path, 'state')
    const first = open(directory)
    first.tickets.put('peer', Buffer.from('a'), 0)
    first.flush()
    expect(readdirSync(join(directory, 'tickets'))).toHaveLength(1)
    expect(open(directory).tickets.take('peer', 0)?.session.toString()).toBe('a')
    expect(faults).toEqual([])
  })

  it('keeps them in memory alone without one', () => {
    const { tickets, flush } = openTickets({ tickets: { maxTicketsPerPeer: 1 } }, new FakeClock(), () => {})
    tickets.put('peer', Buffer.from('a'), 0)
    flush()
    expect(tickets.take('peer', 0)?.session.toString()).toBe('a')
  })

  it('goes on without a directory that cannot be used, and says so', () => {
    const directory = join(temporary.path, 'open')
    open(directory)
    chmodSync(directory, 0o777)
    const { tickets, flush } = open(directory)
    tickets.put('peer', Buffer.from('a'), 0)
    flush()
    expect(tickets.take('peer', 0)?.session.toString()).toBe('a')
    expect(faults).toEqual([expect.stringContaining('the state directory cannot be used: ')])
    expect(readdirSync(join(directory, 'tickets'))).toEqual([])
  })

  it('refuses what is no name', () => {
    expect(() => open('')).toThrow('state.directory must name a directory')
    expect(() => open(7 as unknown as string)).toThrow('state.directory must name a directory')
  })
})
