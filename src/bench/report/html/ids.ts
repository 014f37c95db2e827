/** Fragment identifiers are counted, never made of names: names are data. */
export function scenarioId(scenario: number): string {
  return `s${scenario + 1}`
}

export function caseId(scenario: number, index: number): string {
  return `s${scenario + 1}c${index + 1}`
}
