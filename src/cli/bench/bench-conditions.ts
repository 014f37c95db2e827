import type { Conditions, LossBursts, PathConditions } from '../../bench/url-plan.ts'
import { usageError } from '../parse-options.ts'

/** Options that put relays on the path; spread into the command's own. */
export const CONDITION_OPTIONS = {
  'delay-ms': { type: 'string' },
  'jitter-ms': { type: 'string' },
  loss: { type: 'string' },
  'burst-loss': { type: 'string' },
  'rate-limit': { type: 'string' },
  reorder: { type: 'string' },
} as const

export type ConditionValues = { [Name in keyof typeof CONDITION_OPTIONS]?: string | undefined }

/** What they come to, the same in both directions. Undefined: none of them was given. */
export function conditionsOption(values: ConditionValues): PathConditions | undefined {
  const delayMs = millisecondsOption('delay-ms', values['delay-ms'])
  const jitterMs = millisecondsOption('jitter-ms', values['jitter-ms'])
  const lossRate = shareOption('loss', values.loss)
  const bursts = burstsOption(values['burst-loss'])
  const bytesPerSecond = rateOption(values['rate-limit'])
  const reorderRate = shareOption('reorder', values.reorder)
  // What is held back comes after two delays more, or after those with less jitter.
  if ((reorderRate ?? 0) > 0 && (delayMs ?? 0) === 0 && (jitterMs ?? 0) === 0)
    throw usageError('--reorder goes with --delay-ms or --jitter-ms: without them nobody can overtake')
  const conditions: Conditions = {
    ...(delayMs !== undefined && { delayMs }),
    ...(jitterMs !== undefined && { jitterMs }),
    ...(lossRate !== undefined && { lossRate }),
    ...(bursts !== undefined && { bursts }),
    ...(bytesPerSecond !== undefined && { bytesPerSecond }),
    ...(reorderRate !== undefined && { reorderRate }),
  }
  return Object.keys(conditions).length === 0 ? undefined : { toServer: conditions, toClient: conditions }
}

function millisecondsOption(name: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined
  const value = Number(text)
  if (text.trim() !== '' && value >= 0 && value <= 60_000) return value
  throw usageError(`--${name} must be 0 to 60000 ms, not ${JSON.stringify(text)}`)
}

/** `1%` or `0.01`. */
function shareOption(name: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined
  const share = shareOf(text)
  if (share !== undefined) return share
  throw usageError(
    isAmbiguous(text)
      ? `--${name} ${text}: ${percentQuestion(text)}`
      : `--${name} must be a share such as 1% or 0.01, not ${JSON.stringify(text)}`,
  )
}

function shareOf(text: string): number | undefined {
  const [, figure, percent] = /^(\d+(?:\.\d+)?|\.\d+)(%)?$/.exec(text) ?? []
  if (figure === undefined) return undefined
  const share = Number(figure) / (percent === undefined ? 1 : 100)
  return share <= 1 && !isAmbiguous(text) ? share : undefined
}

/** Tools disagree on a bare 1: a percent, as with tc-netem(8), or all of them. */
function isAmbiguous(text: string): boolean {
  return /^\d+(?:\.\d+)?$/.test(text) && Number(text) >= 1 && Number(text) <= 100
}

function percentQuestion(text: string): string {
  const share = Number(text) / 100
  return `${text} % or ${share}? Write ${text}% or ${share}${Number(text) === 1 ? ', and 100% for all of them' : ''}`
}

/** `ENTER,LEAVE` or `ENTER,LEAVE,LOSS`. */
function burstsOption(text: string | undefined): LossBursts | undefined {
  if (text === undefined) return undefined
  const words = text.split(',')
  const ambiguous = words.find(isAmbiguous)
  if (ambiguous !== undefined) throw usageError(`--burst-loss ${text}: ${percentQuestion(ambiguous)}`)
  const shares = words.map(shareOf)
  const [enterRate, leaveRate, lossRate] = shares
  if (enterRate !== undefined && leaveRate !== undefined && shares.length <= 3 && !shares.includes(undefined))
    return { enterRate, leaveRate, ...(lossRate !== undefined && { lossRate }) }
  throw usageError(
    `--burst-loss must be ENTER,LEAVE[,LOSS] as shares, such as 0.5%,25%, not ${JSON.stringify(text)}`,
  )
}

/** Megabits per second. */
function rateOption(text: string | undefined): number | undefined {
  if (text === undefined) return undefined
  const [, figure] = /^(\d+(?:\.\d+)?)(?:mbit)?$/i.exec(text) ?? []
  const megabits = Number(figure)
  if (megabits > 0) return megabits * 125_000
  throw usageError(`--rate-limit must be megabits per second, such as 10, not ${JSON.stringify(text)}`)
}
