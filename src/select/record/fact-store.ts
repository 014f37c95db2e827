import { average, brief, type Evidence } from '../evidence/evidence.ts'
import { FACT_LIFETIMES_MS } from './lifetimes.ts'
import { FACT_NAMES, FACTS, type FactName, type FactValues } from './origin-facts.ts'

type Known = { [Name in FactName]?: Evidence<FactValues[Name]> }

/** The facts of one origin, each with its evidence. What has expired is there no more. */
export class FactStore {
  readonly #known: Known = {}

  get<Name extends FactName>(name: Name, now: number): Evidence<FactValues[Name]> | undefined {
    const evidence: Known[Name] = this.#known[name]
    return evidence !== undefined && evidence.expiresAt > now ? evidence : undefined
  }

  /** `lifetimeMs`: when it is known, and shorter than what is believed of such facts. */
  set<Name extends FactName>(
    name: Name,
    value: FactValues[Name],
    source: string,
    now: number,
    lifetimeMs: number = Number.POSITIVE_INFINITY,
  ): void {
    const expiresAt = now + Math.min(lifetimeMs, FACT_LIFETIMES_MS[name])
    this.put(name, { value, at: now, source: brief(source), expiresAt })
  }

  put<Name extends FactName>(name: Name, evidence: Evidence<FactValues[Name]>): void {
    const known: { [N in Name]?: Evidence<FactValues[N]> } = this.#known
    known[name] = evidence
  }

  /** One more sample of an average. */
  sample(name: AverageName, sample: number, source: string, now: number): void {
    this.set(name, average(this.get(name, now), sample), source, now)
  }

  drop(name: FactName): void {
    delete this.#known[name]
  }

  onNetworkChanged(): void {
    for (const name of FACT_NAMES) if (FACTS[name].isOfPath) this.drop(name)
  }
}

/** Facts that are averages. */
export type AverageName = {
  [Name in FactName]: FactValues[Name] extends number ? Name : never
}[FactName]
