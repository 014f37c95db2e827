import { ShareLedger } from './share-ledger.ts'
import type { ShareAnswer, ShareRequest } from './share-messages.ts'

/**
 * What a host asks of the store that a fleet shares, which does it as a whole or not at all. The store holds
 * the ceiling, and nothing of fairness: it grants what is claimed as far as no other host has it.
 */
export interface FleetStep {
  readonly of: string
  readonly member: string
  /** Greater than that of any step of the member before; a step that is not is left undone. */
  readonly number: number
  readonly ceiling: number
  /** See ShareRequest. */
  readonly keeps: number
  readonly wants: number
  /** What it would have. No more than it keeps: it takes nothing. */
  readonly claims: number
  readonly leaves: boolean
}

/** What the store holds after a step. Times are those of the store's own clock, in ms. */
export interface FleetView {
  readonly now: number
  /** From when on it has known every host: what an earlier run of the store knew may be lost. */
  readonly since: number
  readonly hosts: ReadonlyMap<string, FleetHost>
}

/** A host as the store knows it. */
export interface FleetHost {
  readonly number: number
  readonly granted: number
  readonly wants: number
  /** When it counts as gone unless it asks again. */
  readonly until: number
}

/** What planShare() is to know beside the request and the view. */
export interface FleetTiming {
  readonly leaseMs: number
  readonly turnMs: number
}

/** The other half stays in the store: who has it is asked for it only when it renews. */
const SPREADS = 0.5

/** The first step of a question: says what it keeps and wants, and takes nothing. */
export function reportStep(request: ShareRequest): FleetStep {
  const { of, member, number, ceiling, keeps, wants, leaves = false } = request
  return { of, member, number: 2 * number, ceiling, keeps, wants, claims: keeps, leaves }
}

/** The second one, where there is more for it than it has. */
export function claimStep(request: ShareRequest, claims: number): FleetStep {
  return { ...reportStep(request), number: 2 * request.number + 1, claims }
}

/**
 * What the host may have, by what every host says that it wants: the rules of ShareLedger, in every host
 * alike. While hosts that an earlier run of the store knew may still come back nobody gets more than it has,
 * but for the floor.
 */
export function planShare(request: ShareRequest, view: FleetView, { leaseMs, turnMs }: FleetTiming): number {
  const members: Record<string, FleetHost & { readonly answered: number }> = {}
  for (const [name, host] of view.hosts)
    if (name !== request.member) members[name] = { ...host, answered: host.granted }
  const recoversUntil = view.since + leaseMs
  const ledger = new ShareLedger({ leaseMs, turnMs, recoversUntil, spreads: SPREADS }, { members })
  const { share } = ledger.receive(request, view.now)
  if (view.now >= recoversUntil || request.leaves === true) return share
  return Math.max(share, Math.min(request.floor ?? 0, request.ceiling))
}

/** `share`: what is planned for the host, or what the store granted of it. */
export function fleetAnswer({ number, ceiling }: ShareRequest, view: FleetView, share: number): ShareAnswer {
  let wanted = 0
  let granted = 0
  for (const host of view.hosts.values()) {
    wanted += host.wants
    granted += host.granted
  }
  return { number, share, limit: ceiling, members: view.hosts.size, wanted, granted }
}
