/** What the connector's log says of a run. */
export interface ConnectorLog {
  /** Lines by level. */
  readonly levels: Readonly<Record<string, number>>
  /** Lines of level error, and what speaks of a defect: never in a good run. */
  readonly alarms: readonly string[]
  /** Warnings by their text without what differs, the most frequent first. */
  readonly warnings: readonly { readonly text: string; readonly count: number }[]
  /** The line of a slow request, by the request's id. */
  readonly slow: ReadonlyMap<string, string>
}

const MAX_ALARMS = 20

/** Reads lines of the service's JSON log; what is no JSON is an alarm: something wrote around the logger. */
export function readConnectorLog(text: string): ConnectorLog {
  const levels: Record<string, number> = {}
  const alarms: string[] = []
  const warnings = new Map<string, number>()
  const slow = new Map<string, string>()
  for (const line of text.split('\n')) {
    if (line === '') continue
    const entry = parseLine(line)
    if (entry === undefined) {
      if (alarms.length < MAX_ALARMS) alarms.push(line.slice(0, 300))
      continue
    }
    const { level, msg, path } = entry
    levels[level] = (levels[level] ?? 0) + 1
    const isDefect = level === 'error' || level === 'fatal' || /MM_INTERNAL|uncaught|unhandled/i.test(msg)
    if (isDefect && alarms.length < MAX_ALARMS) alarms.push(msg.slice(0, 300))
    const id = /^\/soak\/([\w-]+)$/.exec(path)?.[1]
    if (id !== undefined && msg.includes('slow request')) slow.set(id, line)
    else if (level === 'warn') {
      const alike = msg.replace(/\d+(\.\d+)?/g, 'N').slice(0, 120)
      warnings.set(alike, (warnings.get(alike) ?? 0) + 1)
    }
  }
  const byCount = [...warnings].sort(([, a], [, b]) => b - a)
  return { levels, alarms, warnings: byCount.slice(0, 8).map(([text, count]) => ({ text, count })), slow }
}

function parseLine(line: string): { level: string; msg: string; path: string } | undefined {
  try {
    const { level, msg, path } = JSON.parse(line) as Record<string, unknown> // looked at below
    return { level: String(level), msg: String(msg), path: typeof path === 'string' ? path : '' }
  } catch {
    return undefined
  }
}
