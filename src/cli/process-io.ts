import { createInterface } from 'node:readline/promises'
import { Writable } from 'node:stream'
import { createTransport } from '../index.ts'
import type { CliIo } from './command.ts'
import { presentedCertificate } from './presented-certificate.ts'
import { screenOf } from './terminal.ts'

/** The real outside. */
export function processIo(): CliIo {
  let isWatched = false
  const watchOutput = (): void => {
    // Not before: a service writes its log by itself, and lives on when nobody reads it any more.
    if (!isWatched) process.stdout.on('error', onOutputFailed)
    isWatched = true
  }
  return {
    write(text) {
      watchOutput()
      process.stdout.write(text)
    },
    writeError: text => void process.stderr.write(text),
    openOutput() {
      watchOutput()
      return new Writable({
        write: (chunk: Buffer, _encoding, done) => void process.stdout.write(chunk, done),
      })
    },
    screen: screenOf(process.stdout),
    errorScreen: screenOf(process.stderr),
    createTransport,
    startService: async (...args) => (await import('../service/index.ts')).startService(...args),
    startServiceFromFile: async (...args) =>
      (await import('../service/index.ts')).startServiceFromFile(...args),
    confirm,
    rehearse: async rehearsal => (await import('./rehearsal.ts')).rehearse(rehearsal),
    presentedCertificate,
    signals: { on: (signal, listener) => process.on(signal, listener), exit: code => process.exit(code) },
  }
}

/** `middlemile get … | head` closes our output early: no reason for a stack trace. */
function onOutputFailed(error: NodeJS.ErrnoException): void {
  if (error.code === 'EPIPE') process.exit(0)
  throw error
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
