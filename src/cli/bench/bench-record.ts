import { describePlan, type UrlPlan } from '../../bench/url-plan.ts'

/**
 * [P] Command-line arguments as a result file may show them: without the values of header fields and bodies,
 * which may be secrets.
 */
export function publicArguments(args: readonly string[]): readonly string[] {
  const shown: string[] = []
  for (let i = 0; i < args.length; i++) {
    const [, option, inline] = /^(--(?:header|data))(?:=(.*))?$/s.exec(args[i] ?? '') ?? []
    if (option === undefined) {
      shown.push(args[i] ?? '')
      continue
    }
    const value = inline ?? args[++i] ?? ''
    shown.push(option, option === '--header' ? `${value.split(':', 1).join('')}: …` : '…')
  }
  return shown
}

/** [P] What was measured, for whoever reads the file. */
export function planSettings(plan: UrlPlan): Readonly<Record<string, unknown>> {
  const { request, arrival, warmUp, measure, rounds, seed, conditions } = plan
  return {
    what: describePlan(plan),
    url: plan.url.href,
    method: request.method,
    headers: (request.headers ?? []).filter((_, i) => i % 2 === 0),
    bodyBytes: request.body?.byteLength ?? 0,
    subjects: plan.subjects.map(({ name }) => name),
    arrival,
    warmUpSeconds: warmUp.seconds,
    seconds: measure.seconds,
    ...(Number.isFinite(measure.requests) && { requests: measure.requests }),
    rounds,
    seed,
    isCold: plan.isCold,
    isResumed: plan.isResumed,
    isEarly: plan.isEarly,
    ...(conditions !== undefined && { conditions }),
  }
}
