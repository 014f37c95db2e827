import { TransportError } from '../errors.ts'
import type { SelectOptions } from './select-options.ts'

const DAY_MS = 86_400_000
const SHARE = { min: 0, max: 1 }

/** What each numeric `select` option may be. */
export const SELECT_RANGES: Readonly<
  Record<
    Exclude<keyof SelectOptions, keyof typeof SELECT_WORDS>,
    { readonly min: number; readonly max: number; readonly isWhole?: boolean }
  >
> = {
  joinDelayMinMs: { min: 0, max: 60_000 },
  joinDelayMaxMs: { min: 0, max: 60_000 },
  exploreShare: SHARE,
  trialRequests: { min: 1, max: 1_000, isWhole: true },
  minGain: SHARE,
  sustainMs: { min: 0, max: DAY_MS },
  spreadConnections: { min: 1, max: 64, isWhole: true },
  probeTimeoutMs: { min: 1, max: 60_000 },
  probeIntervalMs: { min: 1_000, max: 30 * DAY_MS },
  brokenBaseMs: { min: 1, max: 30 * DAY_MS },
  brokenMaxMs: { min: 1, max: 30 * DAY_MS },
}

/** The words that the others may be. */
export const SELECT_WORDS = {
  policy: ['auto', 'latency', 'efficiency'],
  probe: ['auto', 'off'],
  altSvc: ['on', 'off'],
} as const

/** The options as they are. Throws MM_INVALID_ARGUMENT, naming the field as `select.FIELD`. */
export function checkSelectOptions(options: SelectOptions): SelectOptions {
  for (const [name, value] of Object.entries(options)) {
    const words: readonly string[] | undefined = SELECT_WORDS[name as keyof typeof SELECT_WORDS] // or undefined
    if (words !== undefined) {
      if (typeof value !== 'string' || !words.includes(value))
        throw invalid(`select.${name} must be one of ${words.join(', ')}, not ${String(value)}`)
      continue
    }
    const range = SELECT_RANGES[name as keyof typeof SELECT_RANGES] // or undefined
    if (range === undefined) continue
    const { min, max, isWhole = false } = range
    if (
      typeof value !== 'number' ||
      !(value >= min && value <= max) ||
      (isWhole && !Number.isInteger(value))
    ) {
      const kind = isWhole ? 'a whole number' : 'a number'
      throw invalid(`select.${name} must be ${kind} from ${min} to ${max}, not ${String(value)}`)
    }
  }
  checkOrder(options, 'joinDelayMinMs', 'joinDelayMaxMs')
  checkOrder(options, 'brokenBaseMs', 'brokenMaxMs')
  return options
}

function checkOrder(options: SelectOptions, least: keyof SelectOptions, most: keyof SelectOptions): void {
  if (options[least] <= options[most]) return
  throw invalid(`select.${most} must not be below select.${least} (${String(options[least])})`)
}

function invalid(message: string): TransportError {
  return new TransportError('MM_INVALID_ARGUMENT', message)
}
