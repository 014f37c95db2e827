import { createReadStream } from 'node:fs'
import { readFile, stat } from 'node:fs/promises'
import { usageError } from '../usage-error.ts'
import type { RequestBodySource } from './run-gets.ts'

/** Up to this size a file is read once and kept: it can be sent again on another connection. */
const KEPT_BYTES = 1024 * 1024

/** `--data`: text, or `@FILE`. A large file is read anew for each request, never as a whole. */
export async function readRequestBody(data: string | undefined): Promise<RequestBodySource | undefined> {
  if (data === undefined) return undefined
  if (!data.startsWith('@')) return kept(Buffer.from(data, 'utf8'))
  const file = data.slice(1)
  try {
    const { size } = await stat(file)
    if (size <= KEPT_BYTES) return kept(await readFile(file))
    return { length: size, open: () => createReadStream(file) }
  } catch (error) {
    throw usageError(
      `--data: cannot read the file: ${error instanceof Error ? error.message : String(error)}`,
    )
  }
}

function kept(body: Buffer): RequestBodySource {
  return { length: body.length, open: () => body }
}
