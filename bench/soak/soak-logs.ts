import { existsSync, openSync, readFileSync, writeSync } from 'node:fs'
import type { SlowLine } from './slow-request-text.ts'

/** What the connector's log reports of a run. */
export interface ConnectorLog {
  /** Lines by level. */
  readonly levels: Readonly<Record<string, number>>
  /** Lines of level error, and what speaks of a defect: never in a good run. */
  readonly alarms: readonly string[]
  /** Warnings by their text without what differs, the most frequent first. */
  readonly warnings: readonly { readonly text: string; readonly count: number }[]
  /** The line of a slow request, by the request's id. */
  readonly slow: ReadonlyMap<string, SlowLine>
}

const MAX_ALARMS = 20

/** Reads lines of the service's JSON log; what is no JSON is an alarm: something wrote around the logger. */
export function readConnectorLog(text: string): ConnectorLog {
  const levels: Record<string, number> = {}
  const alarms: string[] = []
  const warnings = new Map<string, number>()
  const slow = new Map<string, SlowLine>()
  for (const line of text.split('\n')) {
    if (line === '') continue
    const entry = parseLine(line)
    if (entry === undefined) {
      if (alarms.length < MAX_ALARMS) alarms.push(line.slice(0, 300))
      continue
    }
    const level = String(entry['level'])
    const msg = String(entry['msg'])
    levels[level] = (levels[level] ?? 0) + 1
    const isDefect = level === 'error' || level === 'fatal' || /MM_INTERNAL|uncaught|unhandled/i.test(msg)
    if (isDefect && alarms.length < MAX_ALARMS) alarms.push(msg.slice(0, 300))
    const id = /^\/soak\/([\w-]+)$/.exec(String(entry['path']))?.[1]
    if (id !== undefined && 'tries' in entry)
      slow.set(id, entry as unknown as SlowLine) // the service's own line
    else if (level === 'warn') {
      const alike = msg.replace(/\d+(\.\d+)?/g, 'N').slice(0, 120)
      warnings.set(alike, (warnings.get(alike) ?? 0) + 1)
    }
  }
  const byCount = [...warnings].sort(([, a], [, b]) => b - a)
  return { levels, alarms, warnings: byCount.slice(0, 8).map(([text, count]) => ({ text, count })), slow }
}

function parseLine(line: string): Record<string, unknown> | undefined {
  try {
    return JSON.parse(line) as Record<string, unknown> // pino writes objects
  } catch {
    return undefined
  }
}

/**
 * What an origin writes down of its requests, one line each: `P ID`: it has read a POST to its end; `F ID
 * KIND`: it has broken off or spoiled the answer of that request on purpose. nginx writes the first kind by
 * `access_log`.
 */
export class OriginLog {
  readonly #descriptor: number

  constructor(file: string) {
    this.#descriptor = openSync(file, 'a')
  }

  /** At once: the process may be killed with the next instruction. */
  processed(id: string): void {
    writeSync(this.#descriptor, `P ${id}\n`)
  }

  fault(id: string, kind: InjectedFault): void {
    writeSync(this.#descriptor, `F ${id} ${kind}\n`)
  }
}

/** `unanswered`: it closed the connection when it had read the request; the others spoil the answer. */
export type InjectedFault = 'unanswered' | 'malformed' | 'truncated' | 'reset'

export interface OriginRecord {
  /** How many times each POST was processed. */
  readonly processed: ReadonlyMap<string, number>
  readonly faults: ReadonlyMap<string, string>
}

export function readOriginLog(file: string): OriginRecord {
  return parseOriginLog(existsSync(file) ? readFileSync(file, 'latin1') : '')
}

export function parseOriginLog(text: string): OriginRecord {
  const processed = new Map<string, number>()
  const faults = new Map<string, string>()
  for (const line of text.split('\n')) {
    const [kind, id, fault] = line.split(' ')
    if (id === undefined) continue
    if (kind === 'P') processed.set(id, (processed.get(id) ?? 0) + 1)
    if (kind === 'F' && fault !== undefined) faults.set(id, fault)
  }
  return { processed, faults }
}
