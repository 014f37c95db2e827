import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import type { CertificateFiles } from '../../../test/support/certificate-files.ts'
import { cpuPrefix, deathSignalPrefix } from '../../../test/support/real-server.ts'
import { answerOf, stopChild } from '../clients/child-answer.ts'

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
  // The compiled program beside this file's folder.
  const program = fileURLToPath(new URL('../../origin/unary-origin-process.js', import.meta.url))
  const line = [...deathSignalPrefix(), ...cpuPrefix(cpu), process.execPath, program]
  const child = spawn(line[0] ?? '', [...line.slice(1), address, String(port), certFile, keyFile], {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    env: { ...process.env, NODE_ENV: 'production' },
  })
  await answerOf(child)
  return { pid: child.pid ?? -1, [Symbol.asyncDispose]: () => stopChild(child) }
}
