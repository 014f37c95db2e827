import type { ImpairAnswer, ImpairAsk, ImpairQuestion, OpenedWay, WayCounts } from './impair-messages.ts'
import { type OpenWay, openWay } from './open-way.ts'

/**
 * A program: relays under conditions, in a process of their own, so that their work and their timers are
 * nobody else's. It ends with its parent.
 */

const ways = new Map<number, OpenWay>()
let opened = 0

process.once('disconnect', () => process.exit(0))
// Whoever interrupts a run interrupts its process group. The parent ends its work first, and with it ends
// this.
process.on('SIGINT', () => undefined)
process.on('message', (message: ImpairQuestion) => void reply(message)) // impaired-way.ts sends nothing else

async function reply({ id, ask }: ImpairQuestion): Promise<void> {
  let answer: ImpairAnswer
  try {
    answer = { id, kind: 'done', value: await answerTo(ask) }
  } catch (error) {
    answer = { id, kind: 'failed', error: error instanceof Error ? error.message : String(error) }
  }
  if (process.connected) process.send?.(answer)
}

async function answerTo(ask: ImpairAsk): Promise<OpenedWay | WayCounts | undefined> {
  if (ask.kind === 'open') {
    const way = await openWay(ask.target)
    const number = opened++
    ways.set(number, way)
    return { way: number, port: way.tcp.port }
  }
  const way = ways.get(ask.way)
  if (way === undefined) throw new Error(`there is no way ${ask.way}`)
  if (ask.kind === 'counts') return { tcp: way.tcp.counts(), udp: way.udp?.counts() }
  switch (ask.kind) {
    case 'close':
      ways.delete(ask.way)
      await way[Symbol.asyncDispose]()
      break
    case 'setConditions':
      way.tcp.setConditions(ask.direction, ask.conditions)
      way.udp?.setConditions(ask.direction, ask.conditions)
      break
    case 'rebind':
      await way.udp?.rebind(ask.host, ask.keepsOldMs)
      break
    case 'silence':
      way.udp?.silence()
      break
  }
  return undefined
}
