/** A `lookup` for sockets that are given addresses only: there is nothing to ask, and nothing to wait for. */
export function lookUpLiteral(
  address: string,
  _options: unknown,
  done: (error: NodeJS.ErrnoException | null, address: string, family: number) => void,
): void {
  done(null, address, address.includes(':') ? 6 : 4)
}
