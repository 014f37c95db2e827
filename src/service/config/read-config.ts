import {
  type Document,
  isAlias,
  isMap,
  isPair,
  isScalar,
  isSeq,
  LineCounter,
  type Node,
  parseDocument,
} from 'yaml'
import { type ConfigFault, type ConfigPath, formatPath, type UnplacedFault } from './config-fault.ts'
import { parseConfig } from './parse-config.ts'
import type { ServiceSettings } from './service-settings.ts'

export type ReadConfig =
  | {
      readonly ok: true
      readonly settings: ServiceSettings
      /** What a service can start with, but will not work as it is written: `--check` refuses it. */
      readonly doubts: readonly ConfigFault[]
    }
  | { readonly ok: false; readonly faults: readonly ConfigFault[] }

/**
 * Reads a configuration out of YAML or JSON text (JSON is YAML, YAML 1.2 section 1.2), each fault with its
 * line and column.
 */
export function readConfigText(text: string, directory: string): ReadConfig {
  const lines = new LineCounter()
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false })
  const syntax = [...document.errors, ...document.warnings].map(error => ({
    path: '',
    message: error.message,
    ...position(lines, error.pos[0]),
  }))
  if (syntax.length > 0) return { ok: false, faults: syntax }
  let value: unknown
  try {
    value = document.toJS({ maxAliasCount: 100 })
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error)
    return { ok: false, faults: [{ path: '', message, line: 1, column: 1 }] }
  }
  const parsed = parseConfig(value, directory)
  const placed = (faults: readonly UnplacedFault[]): ConfigFault[] =>
    faults
      .map(fault => ({
        path: formatPath(fault.path),
        message: fault.message,
        ...position(lines, offsetOf(document, fault)),
      }))
      .sort((a, b) => a.line - b.line || a.column - b.column)
  if (parsed.ok) return { ok: true, settings: parsed.settings, doubts: placed(parsed.doubts) }
  return { ok: false, faults: placed(parsed.faults) }
}

function position(lines: LineCounter, offset: number): { line: number; column: number } {
  const { line, col } = lines.linePos(offset)
  // An empty document has no lines to count.
  return { line: Math.max(1, line), column: Math.max(1, col) }
}

/** Where the value at a path begins; for a missing one, where its nearest parent begins. */
function offsetOf(document: Document, fault: UnplacedFault): number {
  let node: unknown = document.contents
  let offset = startOf(node) ?? 0
  const last = fault.path.length - 1
  for (const [depth, step] of fault.path.entries()) {
    const child = childOf(resolved(document, node), step)
    if (child === undefined) break
    const isTarget = depth === last
    offset =
      (isTarget && fault.atKey === true ? child.keyOffset : startOf(child.value)) ?? child.keyOffset ?? offset
    node = child.value
  }
  return offset
}

interface Child {
  value: unknown
  keyOffset: number | undefined
}

function childOf(node: unknown, step: ConfigPath[number]): Child | undefined {
  if (isSeq(node)) {
    const value = node.items[Number(step)]
    return value === undefined ? undefined : { value, keyOffset: undefined }
  }
  if (!isMap(node)) return undefined
  for (const pair of node.items) {
    if (isPair(pair) && isScalar(pair.key) && String(pair.key.value) === String(step)) {
      return { value: pair.value, keyOffset: startOf(pair.key) }
    }
  }
  return undefined
}

function resolved(document: Document, node: unknown): unknown {
  return isAlias(node) ? node.resolve(document) : node
}

function startOf(node: unknown): number | undefined {
  const range = (node as Node | null | undefined)?.range // null when empty; yaml types `contents` loosely
  return range?.[0]
}
