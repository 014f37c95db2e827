import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import type { QuicCongestionControl } from '../../src/base/options/protocol-options.ts'
import type { CertificateFiles } from '../../test/support/certificate-files.ts'
import { cpuPrefix, deathSignalPrefix } from '../../test/support/real-server.ts'
import { answerOf, stopChild } from '../lib/child-program.ts'

/** Since it was started. */
interface Http3OriginCounters {
  readonly connections: number
  readonly requests: number
  /** Handshakes that resumed a session. */
  readonly resumptions: number
  /** They came in early data. */
  readonly earlyRequests: number
}

/** Our own HTTP/3 origin in a process of its own. It answers as the bench's nginx does. */
export interface Http3BenchOrigin extends AsyncDisposable {
  readonly port: number
  readonly pid: number
  counters(): Promise<Http3OriginCounters>
}

/**
 * Where this process lives. With port 0 on a free one; with that of a TCP server on the same number, so that
 * one URL leads to both. Rejects when it does not start.
 */
export async function startHttp3BenchOrigin(
  address: string,
  port: number,
  { certFile, keyFile }: CertificateFiles,
  cpu: number | undefined,
  {
    congestionControl = 'cubic',
    environment,
  }: {
    readonly congestionControl?: QuicCongestionControl
    readonly environment?: Readonly<Record<string, string>>
  } = {},
): Promise<Http3BenchOrigin> {
  // Compiled, beside this file.
  const program = fileURLToPath(new URL('./http3-origin-process.js', import.meta.url))
  const line = [
    ...deathSignalPrefix(),
    ...cpuPrefix(cpu),
    process.execPath,
    program,
    address,
    String(port),
    certFile,
    keyFile,
    congestionControl,
  ]
  const child = spawn(line[0] ?? '', line.slice(1), {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    env: { ...process.env, ...environment, NODE_ENV: 'production' },
  })
  const nextMessage = async (): Promise<unknown> => {
    const ended = new AbortController()
    try {
      const message = once(child, 'message', ended)
      const exit = once(child, 'exit', ended).then(() => {
        throw new Error(`the HTTP/3 origin ended with ${child.exitCode ?? child.signalCode}`)
      })
      return (await Promise.race([message, exit]))[0]
    } finally {
      ended.abort()
    }
  }
  const dispose = async (): Promise<void> => {
    if (child.exitCode !== null || child.signalCode !== null) return
    child.kill('SIGKILL')
    await once(child, 'exit')
  }
  try {
    const listeningOn = (await nextMessage()) as number // http3-origin-process.ts sends its port first
    return {
      port: listeningOn,
      pid: child.pid ?? -1,
      async counters() {
        const answer = nextMessage()
        child.send('counters')
        return (await answer) as Http3OriginCounters // it answers every message so
      },
      [Symbol.asyncDispose]: dispose,
    }
  } catch (error) {
    await dispose()
    throw error
  }
}

interface UnaryOrigin extends AsyncDisposable {
  readonly pid: number
}

/** Starts unary-origin-process.ts where this process lives. Rejects when it does not listen. */
export async function startUnaryOrigin(
  address: string,
  port: number,
  { certFile, keyFile }: CertificateFiles,
  cpu: number | undefined,
): Promise<UnaryOrigin> {
  // Compiled, beside this file.
  const program = fileURLToPath(new URL('./unary-origin-process.js', import.meta.url))
  const line = [...deathSignalPrefix(), ...cpuPrefix(cpu), process.execPath, program]
  const child = spawn(line[0] ?? '', [...line.slice(1), address, String(port), certFile, keyFile], {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    env: { ...process.env, NODE_ENV: 'production' },
  })
  await answerOf(child)
  return { pid: child.pid ?? -1, [Symbol.asyncDispose]: () => stopChild(child) }
}
