import {
  type ImpairAnswer,
  type ImpairAsk,
  type ImpairQuestion,
  type OpenedPath,
  type OpenPath,
  openPath,
  type PathCounts,
} from './open-path.ts'

/**
 * A program: relays under conditions, in a process of their own, so that their work and their timers are
 * nobody else's. It ends with its parent.
 */

const paths = new Map<number, OpenPath>()
let opened = 0

process.once('disconnect', () => process.exit(0))
// Whoever interrupts a run interrupts its process group. The parent ends its work first, and with it ends
// this.
process.on('SIGINT', () => undefined)
process.on('message', (message: ImpairQuestion) => void reply(message)) // impaired-path.ts sends nothing else

async function reply({ id, ask }: ImpairQuestion): Promise<void> {
  let answer: ImpairAnswer
  try {
    answer = { id, kind: 'done', value: await answerTo(ask) }
  } catch (error) {
    answer = { id, kind: 'failed', error: error instanceof Error ? error.message : String(error) }
  }
  if (process.connected) process.send?.(answer)
}

async function answerTo(ask: ImpairAsk): Promise<OpenedPath | PathCounts | undefined> {
  if (ask.kind === 'open') {
    const path = await openPath(ask.target)
    const number = opened++
    paths.set(number, path)
    return { path: number, port: path.tcp.port }
  }
  const path = paths.get(ask.path)
  if (path === undefined) throw new Error(`there is no path ${ask.path}`)
  if (ask.kind === 'counts') return { tcp: path.tcp.counts(), udp: path.udp?.counts() }
  switch (ask.kind) {
    case 'close':
      paths.delete(ask.path)
      await path[Symbol.asyncDispose]()
      break
    case 'setConditions':
      path.tcp.setConditions(ask.direction, ask.conditions)
      path.udp?.setConditions(ask.direction, ask.conditions)
      break
    case 'rebind':
      await path.udp?.rebind(ask.host, ask.keepsOldMs)
      break
    case 'silence':
      path.udp?.silence()
      break
  }
  return undefined
}
