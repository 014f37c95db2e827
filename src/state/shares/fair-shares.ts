/**
 * Max-min fair shares of `ceiling`: nobody gets more than it wants, and nobody less than another one who gets
 * more than it (D. Bertsekas and R. Gallager, Data Networks, 6.5.2). In whole units: what does not divide
 * goes one each to the first of those that want more. Where there are fewer units than members that want one,
 * these are counted from `turn`, so that who moves `turn` on gives everybody its own; else nobody's share
 * moves, since each move costs a handshake.
 */
export function fairShares(wants: readonly number[], ceiling: number, turn: number): number[] {
  const shares = wants.map(() => 0)
  let left = ceiling
  let open = wants.map((_, index) => index).filter(index => (wants[index] ?? 0) > 0)
  const isShort = open.length > ceiling
  while (left >= open.length && open.length > 0) {
    const each = Math.floor(left / open.length)
    for (const index of open) {
      const more = Math.min(each, (wants[index] ?? 0) - (shares[index] ?? 0))
      shares[index] = (shares[index] ?? 0) + more
      left -= more
    }
    open = open.filter(index => (shares[index] ?? 0) < (wants[index] ?? 0))
  }
  const first = isShort ? turn % open.length : 0
  const turns = [...open.slice(first), ...open.slice(0, first)]
  for (const index of turns.slice(0, left)) shares[index] = (shares[index] ?? 0) + 1
  return shares
}
