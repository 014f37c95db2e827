import { readFileSync } from 'node:fs'

/** The state of an open connection in /proc/net/tcp: TCP_ESTABLISHED. */
const ESTABLISHED = '01'

/**
 * Connections that a server on a port of this machine has, over IPv4, accepted or about to be. Linux only.
 * The kernel writes the table piece by piece: one that ends meanwhile and one that takes its place may both
 * be in it.
 */
export function establishedAt(port: number): number {
  const [, ...lines] = readFileSync('/proc/net/tcp', 'latin1').trim().split('\n')
  return lines.filter(line => {
    const [, local = '', , state] = line.trim().split(/\s+/)
    return state === ESTABLISHED && Number.parseInt(local.split(':')[1] ?? '', 16) === port
  }).length
}

/** Looks for the most of them that are there at once, until it is disposed of. */
export class MostEstablished implements Disposable {
  most = 0
  readonly #timer: NodeJS.Timeout

  constructor(port: number) {
    this.#timer = setInterval(() => {
      // What one look counts twice the next one does not.
      this.most = Math.max(this.most, Math.min(establishedAt(port), establishedAt(port)))
    }, 3)
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer)
  }
}
