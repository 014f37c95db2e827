import { randomBytes } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { makeTemporaryDirectory } from './temporary-directory.ts'

/** What the tickets of several nginx are sealed with, so that one takes those of another. For `extraHttp`. */
export function makeTicketKey(): Disposable & { readonly directive: string } {
  const directory = makeTemporaryDirectory('ticket-key')
  const file = join(directory.path, 'key')
  writeFileSync(file, randomBytes(80), { mode: 0o600 })
  return { directive: `ssl_session_ticket_key ${file};`, [Symbol.dispose]: () => directory.remove() }
}
