import { existsSync, openSync, readFileSync, writeSync } from 'node:fs'

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
