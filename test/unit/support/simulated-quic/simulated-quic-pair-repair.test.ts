import { describe, expect, it } from 'vitest'
import type { Frame } from '../../../support/simulated-quic/frame.ts'
import { SimulatedQuicPair } from '../../../support/simulated-quic/simulated-quic-pair.ts'
import { StreamCollector } from '../../../support/simulated-quic/stream-collector.ts'

function established() {
  const windows = { streamWindowBytes: 8000, connectionWindowBytes: 8000, maxConcurrentStreams: 1 }
  const pair = new SimulatedQuicPair({ server: { quic: windows } })
  const client = new StreamCollector(pair.client)
  const server = new StreamCollector(pair.server)
  pair.establish()
  pair.clock.advance(1000)
  return { pair, client, server }
}

type Rig = ReturnType<typeof established>

/**
 * A frame that is lost the first time, what makes a side say it, and what shows that the other side has heard
 * it all the same.
 */
const CASES: [type: Frame['type'], act: (rig: Rig) => void, isHeard: (rig: Rig) => boolean][] = [
  [
    'max-data',
    ({ client }) => void client.open(Buffer.alloc(50_000)),
    ({ server }) => server.ended.includes(0),
  ],
  [
    'max-stream-data',
    ({ client }) => void client.open(Buffer.alloc(50_000)),
    ({ server }) => server.ended.includes(0),
  ],
  [
    'max-streams',
    ({ client, server }) => {
      server.onEvent = () => server.send(0, Buffer.from('answer'))
      client.open(Buffer.from('x'))
    },
    ({ pair }) => pair.client.connection.streamsLeft('bidirectional') === 1,
  ],
  [
    'reset',
    ({ pair, client }) => {
      const stream = pair.client.connection.openStream('bidirectional')!
      pair.client.connection.write(stream, Buffer.alloc(100), false)
      pair.client.connection.reset(stream, 9)
      client.link.schedule()
    },
    ({ server }) => server.eventTypes.includes('reset'),
  ],
  [
    'stop',
    ({ pair, client, server }) => {
      client.open(Buffer.alloc(50_000))
      server.asleep.add(0)
      pair.clock.advance(100)
      pair.server.connection.stop(0, 9)
      pair.server.schedule()
    },
    ({ client, server }) => client.eventTypes.includes('stopped') && !server.eventTypes.includes('reset'),
  ],
]

describe('the simulated engine repeats a lost control frame of type', () => {
  for (const [type, act, isHeard] of CASES) {
    it(type, () => {
      const rig = established()
      let dropped = 0
      rig.pair.drop((_from, { frames }) => {
        const isIt = dropped === 0 && frames.some(frame => frame.type === type)
        if (isIt) dropped++
        return isIt
      })
      act(rig)
      rig.pair.until(() => dropped === 1)
      rig.pair.until(() => isHeard(rig))
    })
  }
})

describe('the simulated engine declares a packet lost', () => {
  const quiet = { streamWindowBytes: 100_000, connectionWindowBytes: 100_000 }

  /** Four packets a millisecond apart, of which the first is lost: when its bytes leave again. */
  function resentAfter(packets: number): number {
    const pair = new SimulatedQuicPair({ server: { quic: quiet } })
    const client = new StreamCollector(pair.client)
    const server = new StreamCollector(pair.server)
    pair.establish()
    pair.clock.advance(1000)
    const start = pair.now
    const sent: number[] = []
    pair.drop((from, { frames }) => {
      const isFirst = from === 'client' && frames.some(frame => frame.type === 'stream' && frame.stream === 0)
      if (isFirst) sent.push(pair.now - start)
      return isFirst && sent.length === 1
    })
    for (let i = 0; i < packets; i++) {
      client.open(Buffer.from('x'))
      pair.clock.advance(1)
    }
    pair.until(() => server.ended.length === packets)
    return sent[1]!
  }

  it('when three later ones were acknowledged', () => {
    expect(resentAfter(4)).toBe(43)
  })

  it('when a later one was, and nine eighths of a round trip have gone', () => {
    expect(resentAfter(3)).toBe(45)
  })
})
