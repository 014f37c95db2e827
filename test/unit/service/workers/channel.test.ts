import { describe, expect, it, onTestFinished } from 'vitest'
import { type ContainedFault, onContainedFault } from '../../../../src/base/guard.ts'
import { Channel, type Port } from '../../../../src/service/workers/channel.ts'
import { FakeClock } from '../../../../src/testing/fake-clock.ts'

interface Down {
  hello: { name: string }
}
interface Asked {
  double: [{ of: number }, number]
}

/** Two ports, each of which receives what the other sends. */
function pair() {
  const clock = new FakeClock()
  const listeners: ((message: unknown) => void)[] = []
  let isReading = true
  const port = (own: number): Port & { connected: boolean } => ({
    connected: true,
    send(message, callback) {
      if (!isReading) return false
      const copy: unknown = JSON.parse(JSON.stringify(message))
      queueMicrotask(() => {
        callback(null)
        listeners[1 - own]?.(copy)
      })
      return true
    },
    on: (_event, listener) => {
      listeners[own] = listener
    },
  })
  const above = port(0)
  return {
    clock,
    port: above,
    stop: () => {
      isReading = false
    },
    above: new Channel<Down, object, Asked>(above, clock),
    below: new Channel<object, Down, object, Asked>(port(1), clock),
  }
}

describe('a channel between processes', () => {
  it('passes a message to the handler of its kind', async () => {
    const { above, below } = pair()
    const received: string[] = []
    below.receive('hello', ({ name }) => received.push(name))
    expect(above.send('hello', { name: 'a' })).toBe(true)
    await Promise.resolve()
    expect(received).toEqual(['a'])
  })

  it('answers a question, and passes on what the answerer throws', async () => {
    const { above, below } = pair()
    await expect(above.ask('double', { of: 1 }, 100)).rejects.toThrow('nobody answers that here')
    below.answer('double', ({ of }) => {
      if (of > 10) throw new Error('too much')
      return of * 2
    })
    expect(await above.ask('double', { of: 2 }, 100)).toBe(4)
    await expect(above.ask('double', { of: 11 }, 100)).rejects.toThrow('too much')
  })

  it('gives up a question that nobody answers in time', async () => {
    const { above, clock, stop } = pair()
    stop()
    const asked = above.ask('double', { of: 2 }, 100)
    clock.advance(100)
    await expect(asked).rejects.toThrow('no answer within 100ms')
  })

  it('keeps no more than 64 messages for an end that does not read', () => {
    const { above, stop } = pair()
    stop()
    const sent = Array.from({ length: 100 }, () => above.send('hello', { name: 'a' }))
    expect(sent.filter(Boolean)).toHaveLength(64)
  })

  it('sends nothing to an end that has gone, and ends what was asked of it', async () => {
    const { above, port, stop } = pair()
    stop()
    const asked = above.ask('double', { of: 2 }, 100)
    port.connected = false
    above.close()
    await expect(asked).rejects.toThrow('the other end has gone')
    expect(above.send('hello', { name: 'a' })).toBe(false)
    await expect(above.ask('double', { of: 2 }, 100)).rejects.toThrow('takes nothing')
  })

  it('contains what a handler throws', async () => {
    const { above, below } = pair()
    const faults: ContainedFault[] = []
    onTestFinished(onContainedFault(fault => faults.push(fault)))
    below.receive('hello', () => {
      throw new Error('a defect')
    })
    above.send('hello', { name: 'a' })
    await Promise.resolve()
    below.answer('double', ({ of }) => of)
    expect(await above.ask('double', { of: 1 }, 100)).toBe(1)
    expect(faults).toHaveLength(1)
  })
})
