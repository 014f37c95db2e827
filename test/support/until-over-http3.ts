import type { Transport } from '../../src/index.ts'
import { timeOf } from './overhead.ts'
import type { SelectionLog } from './selection-log.ts'

const MAX_REQUESTS = 150

/**
 * Asks, one after the other, until HTTP/3 was measured to be faster and carries everything: TCP must be much
 * slower for that. `log` undefined: a transport without HTTP/3, which is only warmed up.
 */
export async function untilOverHttp3(
  transport: Transport,
  url: string,
  log: SelectionLog | undefined,
): Promise<void> {
  for (let request = 0; request < MAX_REQUESTS; request++) {
    await timeOf(transport, url)
    if (log === undefined && request === 3) return
    if (log === undefined) continue
    const isChosen = log.of('decision').at(-1)?.decision.rule === 'faster'
    if (isChosen && log.lanes.slice(-5).every(lane => lane === 'h3')) return
  }
  throw new Error(`HTTP/3 never carried:\n${log?.text}`)
}
