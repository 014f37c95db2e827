import type { LaneName, Protocol } from '../../base/http/protocol.ts'

/** What a connector makes connections for. `upgrades`: HTTP/1.1 only, beside the lanes. */
export type ConnectorPurpose = LaneName | 'upgrades'

/** What of the protocols that are allowed it may speak. */
export function allowedOn(purpose: ConnectorPurpose, allowed: readonly Protocol[]): readonly Protocol[] {
  if (purpose === 'upgrades' || purpose === 'http/1.1') return ['http/1.1']
  if (purpose === 'h2-spread') return ['h2']
  return allowed
}

/** What a connection of another origin may speak to be of use. Undefined: this lane has its own ones only. */
export function protocolToShare(
  purpose: ConnectorPurpose,
  offered: readonly Protocol[],
): Protocol | undefined {
  if (purpose === 'h3') return 'h3'
  return purpose === 'tcp' && offered[0] === 'h2' ? 'h2' : undefined
}
