import { describe, expect, it } from 'vitest'
import { machineKind } from '../../../../bench/micro/micro-file.ts'

const MACHINE = { cpuModel: 'AMD EPYC', cores: 2, versions: { node: '20.20.2' } }

describe('machineKind', () => {
  it('names CPU model, cores and Node, and nothing else', () => {
    expect(machineKind(MACHINE)).toBe('amd-epyc_2-cores_node-20.20.2')
  })

  it.each([
    { ...MACHINE, cpuModel: 'AMD EPYC 7763' },
    { ...MACHINE, cores: 4 },
    { ...MACHINE, versions: { node: '20.20.3' } },
  ])('differs for %j', machine => {
    expect(machineKind(machine)).not.toBe(machineKind(MACHINE))
  })

  it('makes a valid file name, whatever the CPU calls itself', () => {
    const cpuModel = 'Intel(R) Xeon(R) CPU @ 2.20GHz /../'
    expect(machineKind({ ...MACHINE, cpuModel })).toBe('intel-r-xeon-r-cpu-2.20ghz_2-cores_node-20.20.2')
    expect(machineKind({ ...MACHINE, cpuModel: '../', versions: {} })).toBe('unknown_2-cores_node-unknown')
  })
})
