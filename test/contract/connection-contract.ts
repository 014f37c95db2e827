import { describe } from 'vitest'
import { ContractBench } from './contract-bench.ts'
import { describeBodies } from './contract-bodies.ts'
import { describeExchanges } from './contract-exchanges.ts'
import { describeFailures } from './contract-failures.ts'
import { describeLifecycle } from './contract-lifecycle.ts'
import { describePausing } from './contract-pausing.ts'
import type { ContractPeer } from './contract-peer.ts'

/** What every Connection does, whatever it speaks. The pool and the transport rely on nothing else. */
export function describeConnection(name: string, peer: ContractPeer): void {
  describe(`the connection contract: ${name}`, () => {
    const bench = new ContractBench(peer)
    describeExchanges(bench)
    describeBodies(bench)
    describePausing(bench)
    describeFailures(bench)
    describeLifecycle(bench)
  })
}
