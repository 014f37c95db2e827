import { describe, expect, it } from 'vitest'
import { Turns } from '../../../../src/quic/udp/turns.ts'

function logged(): { turns: Turns; log: string[]; add(name: string): void } {
  const log: string[] = []
  const turns = new Turns(() => log.push('flush'))
  return { turns, log, add: name => turns.add(() => log.push(name)) }
}

const nextCheck = (): Promise<void> => new Promise(resolve => setImmediate(resolve))

describe('turns of connections on one socket', () => {
  it('come after the poll, and the output of all of them leaves once', async () => {
    const { log, add } = logged()
    add('a')
    add('b')
    expect(log).toEqual([])
    await nextCheck()
    expect(log).toEqual(['a', 'b', 'flush'])
  })

  it('come at the end of a batch, and not again', async () => {
    const { turns, log, add } = logged()
    turns.begin()
    add('a')
    expect(log).toEqual([])
    turns.end()
    expect(log).toEqual(['a', 'flush'])
    await nextCheck()
    expect(log).toEqual(['a', 'flush'])
  })

  it('that ask for another turn get it in the next round, and do not block the loop', async () => {
    const { turns, log } = logged()
    const again = (): void => {
      log.push('again')
      if (log.length < 4) turns.add(again)
    }
    turns.begin()
    turns.add(again)
    turns.end()
    expect(log).toEqual(['again', 'flush'])
    await nextCheck()
    expect(log).toEqual(['again', 'flush', 'again', 'flush'])
  })

  it('report when they run, so that no connection sends alone', () => {
    const { turns } = logged()
    const seen: boolean[] = []
    turns.begin()
    turns.add(() => seen.push(turns.isRunning))
    seen.push(turns.isRunning)
    turns.end()
    expect([...seen, turns.isRunning]).toEqual([true, true, false])
  })
})
