import type { MachineFacts } from '../../src/bench/results/machine-facts.ts'

/**
 * The name of the file that figures of such machines stand in: CPU model, cores, version of Node. Beyond that
 * they are not compared, whatever the calibration says: other caches and another compiler make other figures.
 */
export function machineKind({
  cpuModel,
  cores,
  versions,
}: Pick<MachineFacts, 'cpuModel' | 'cores' | 'versions'>): string {
  const node = versions['node'] ?? 'unknown'
  return [cpuModel, `${cores}-cores`, `node-${node}`].map(asFileName).join('_')
}

function asFileName(text: string): string {
  const name = text.toLowerCase().replaceAll(/[^a-z\d.]+/g, '-')
  return name.replaceAll(/^[-.]+|[-.]+$/g, '') || 'unknown'
}
