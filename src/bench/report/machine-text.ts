import type { MachineFacts } from '../results/machine-facts.ts'

/** Two lines: the machine, and what ran on it. */
export function formatMachine(machine: MachineFacts): string {
  const versions = Object.entries(machine.versions).map(([name, version]) => `${name} ${version}`)
  return `${machine.cores} cores, ${machine.cpuModel}, Linux ${machine.kernel}, load ${machine.loadAtStart.toFixed(2)}\n${versions.join(', ')}; revision ${machine.revision}`
}
