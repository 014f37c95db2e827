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
    signals: { on: (signal, listener) => process.on(signal, listener), exit: code => process.exit(code) },
  }
}
