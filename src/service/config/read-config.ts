import { readFile } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'
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
import type { z } from 'zod'
import { buildSettings } from './build-settings.ts'
import { configDoubts } from './config-doubts.ts'
import { type ConfigFault, type ConfigPath, formatPath, type UnplacedFault } from './config-fault.ts'
import { configSchema } from './config-schema.ts'
import { crossFaults } from './cross-faults.ts'
import { describeIssue } from './describe-issue.ts'
import type { ServiceSettings } from './service-settings.ts'

type ReadConfig =
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

/**
 * Reads and validates a configuration file. A file that cannot be read is a fault like any other.
 *
 * @example
 * ```ts
 * const read = await readConfigFile('middlemile.yaml')
 * console.log(read.ok ? 'good' : read.faults[0]?.message)
 * ```
 */
export async function readConfigFile(file: string): Promise<ReadConfig> {
  let text: string
  try {
    text = await readFile(file, 'utf8')
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error)
    return { ok: false, faults: [{ path: '', message: `cannot read the configuration: ${message}` }] }
  }
  return readConfigText(text, dirname(resolve(file)))
}

/**
 * The keys that a mapping at `path` may have, as far as the schema names them: what a suggestion is drawn
 * from.
 */
export function knownKeys(schema: z.ZodType, path: readonly string[]): readonly string[] {
  const current = unwrap(schema)
  const definition = current.def as SchemaDefinition // zod types `def` by class
  const [step, ...rest] = path
  if (step === undefined) return definition.shape === undefined ? [] : Object.keys(definition.shape)
  const next = definition.shape?.[step] ?? definition.valueType ?? definition.element
  return next === undefined ? [] : knownKeys(next, rest)
}

interface SchemaDefinition {
  type: string
  shape?: Readonly<Record<string, z.ZodType>>
  valueType?: z.ZodType
  element?: z.ZodType
  innerType?: z.ZodType
  in?: z.ZodType
  out?: z.ZodType
}

/**
 * Off with what stands around a mapping: optional, preprocess (a pipe out of a transform), transform (a pipe
 * into one).
 */
function unwrap(schema: z.ZodType): z.ZodType {
  const definition = schema.def as SchemaDefinition // as above
  if (definition.innerType !== undefined) return unwrap(definition.innerType)
  if (definition.type !== 'pipe') return schema
  const from = definition.in === undefined ? schema : unwrap(definition.in)
  const isTransform = (from.def as SchemaDefinition).type === 'transform' // as above
  return isTransform && definition.out !== undefined ? unwrap(definition.out) : from
}

type ParsedConfig =
  | {
      readonly ok: true
      readonly settings: ServiceSettings
      /** What will not work as it is written: see configDoubts. */
      readonly doubts: readonly UnplacedFault[]
    }
  | { readonly ok: false; readonly faults: readonly UnplacedFault[] }

/** Validates a configuration as a value; every fault is reported, not only the first. */
export function parseConfig(value: unknown, directory: string): ParsedConfig {
  const schema = configSchema(directory)
  const result = schema.safeParse(value, { reportInput: true })
  const faults = result.success
    ? []
    : result.error.issues.flatMap(issue => describeIssue(issue, path => knownKeys(schema, path)))
  faults.push(...crossFaults(value))
  if (result.success && faults.length === 0) {
    const settings = buildSettings(result.data)
    const doubts = configDoubts(value, settings, Date.now())
    const warnings = doubts.map(({ path, message }) => `${formatPath(path)}: ${message}`)
    return { ok: true, settings: { ...settings, warnings: [...settings.warnings, ...warnings] }, doubts }
  }
  return { ok: false, faults }
}
