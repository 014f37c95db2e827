import { once } from 'node:events'
import { isIP } from 'node:net'
import { createInterface } from 'node:readline/promises'
import { Writable } from 'node:stream'
import { connect } from 'node:tls'
import { createTransport } from '../index.ts'
import type { CliIo, PresentedCertificate } from './command.ts'
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
    superviseFile: async (...args) =>
      (await import('../service/workers/supervised-service.ts')).superviseFile(...args),
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

const LIMIT_MS = 3_000
const MAX_ISSUER_CHARS = 200

/**
 * Shakes hands once without a check, to say of a certificate that was refused who issued it and until when it
 * is valid. Nothing is sent but the handshake. Undefined where none comes.
 */
async function presentedCertificate(
  endpoint: string,
  serverName: string,
): Promise<PresentedCertificate | undefined> {
  const at = endpoint.lastIndexOf(':')
  const socket = connect({
    host: endpoint.slice(0, at).replace(/^\[(.*)\]$/, '$1'),
    port: Number(endpoint.slice(at + 1)),
    ...(isIP(serverName) === 0 && { servername: serverName }),
    rejectUnauthorized: false,
  })
  try {
    await once(socket, 'secureConnect', { signal: AbortSignal.timeout(LIMIT_MS) })
    const certificate = socket.getPeerX509Certificate()
    if (certificate === undefined) return undefined
    const issuer = certificate.issuer.replaceAll('\n', ', ').slice(0, MAX_ISSUER_CHARS)
    return { issuer, validUntil: new Date(certificate.validTo).toISOString() }
  } catch {
    return undefined // the report says already what is wrong there
  } finally {
    socket.on('error', () => undefined).destroy()
  }
}
