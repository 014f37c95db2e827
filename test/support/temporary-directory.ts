import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { onProcessExit } from './cleanup.ts'

export interface TemporaryDirectory extends Disposable {
  readonly path: string
  remove(): void
}

/** A directory of our own (mode 0700). It goes with remove(), or with the process. */
export function makeTemporaryDirectory(label: string): TemporaryDirectory {
  const path = mkdtempSync(join(tmpdir(), `middlemile-${label}-`))
  const forget = onProcessExit(() => rmSync(path, { recursive: true, force: true }))
  const remove = (): void => {
    forget()
    rmSync(path, { recursive: true, force: true })
  }
  return { path, remove, [Symbol.dispose]: remove }
}
