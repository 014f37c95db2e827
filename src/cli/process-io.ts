import { createInterface } from 'node:readline/promises'
import { createTransport } from '../index.ts'
import { startService, startServiceFromFile } from '../service/index.ts'
import type { CliIo } from './cli-io.ts'

/** The real outside. */
export function processIo(): CliIo {
  // `middlemile get … | head` closes our output early: no reason for a stack trace.
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') process.exit(0)
    throw error
  })
  return {
    write: text => void process.stdout.write(text),
    writeError: text => void process.stderr.write(text),
    createTransport,
    startService,
    startServiceFromFile,
    confirm,
    signals: { on: (signal, listener) => process.on(signal, listener), exit: code => process.exit(code) },
  }
}

async function confirm(question: string): Promise<boolean | undefined> {
  if (!process.stdin.isTTY || !process.stderr.isTTY) return undefined
  const terminal = createInterface({ input: process.stdin, output: process.stderr })
  try {
    return /^y(es)?$/i.test((await terminal.question(question)).trim())
  } finally {
    terminal.close()
  }
}
