import { readFile, stat } from 'node:fs/promises'
import type { ReadPair } from './certificate-watch.ts'

/** More than any chain: what is larger is another file. */
const MAX_BYTES = 1_048_576

/** Where a certificate and its key are looked for. */
export interface PairPaths {
  readonly cert: string
  readonly key: string
}

/**
 * The files of one certificate. Links are followed to what they point to now, so that another target is
 * another file.
 */
export class PairFiles {
  readonly paths: PairPaths
  #seen: string | undefined

  constructor(paths: PairPaths) {
    this.paths = paths
  }

  /** Undefined: they are the files of the last look, unless `isForced`. Never rejects. */
  async read(isForced: boolean): Promise<ReadPair | undefined> {
    const { cert, key } = this.paths
    try {
      const seen = `${await identityOf(cert)} ${await identityOf(key)}`
      if (seen === this.#seen && !isForced) return undefined
      const pair = { cert: await readFile(cert, 'utf8'), key: await readFile(key, 'utf8') }
      this.#seen = seen
      return pair
    } catch (error) {
      this.#seen = undefined
      return { because: error instanceof Error ? error.message : String(error) }
    }
  }
}

/** Another one for other contents: who replaces a file gives it a new inode, who rewrites it a later time. */
async function identityOf(path: string): Promise<string> {
  const stats = await stat(path, { bigint: true })
  // Opening a pipe would wait for who writes to it.
  if (!stats.isFile()) throw new Error(`${path} is no file`)
  if (stats.size > MAX_BYTES) throw new Error(`${path} has more than ${MAX_BYTES} bytes`)
  const { dev, ino, size, mtimeNs, ctimeNs } = stats
  return [dev, ino, size, mtimeNs, ctimeNs].join()
}
