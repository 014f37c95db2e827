/**
 * SelectOptions of a transport that is held to one protocol, measured in one manner: nothing is looked for,
 * tried or spread.
 */
export const UNDECIDING = { probe: 'off', altSvc: 'off', exploreShare: 0, spreadConnections: 1 } as const
