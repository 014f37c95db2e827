import { readFile, stat } from 'node:fs/promises'
import { usageError } from '../usage-error.ts'

/** Every client process has it in memory. */
const MAX_BODY_BYTES = 16 * 1024 * 1024

/** `--data`: text, or `@FILE`. */
export async function readBenchBody(data: string | undefined): Promise<Uint8Array | undefined> {
  if (data === undefined) return undefined
  if (!data.startsWith('@')) return Buffer.from(data, 'utf8')
  const file = data.slice(1)
  try {
    const { size } = await stat(file)
    if (size > MAX_BODY_BYTES) throw new Error(`${size} bytes; the limit is ${MAX_BODY_BYTES}`)
    return await readFile(file)
  } catch (error) {
    throw usageError(`--data: ${error instanceof Error ? error.message : String(error)}`)
  }
}
