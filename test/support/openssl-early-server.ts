import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { type CertificateFiles, writeCertificateFiles } from './certificate-files.ts'
import { onProcessExit } from './cleanup.ts'
import { findBinary, requireBinary } from './require-binary.ts'
import { freePort, waitUntilAccepts } from './tcp-port.ts'
import { makeTemporaryDirectory } from './temporary-directory.ts'

/**
 * `openssl s_server -early_data`, one connection after the other. It prints what it gets, and sends what it
 * is given; a line that begins with `K` makes it update its keys and ask for ours, `Q` makes it end.
 */
export interface OpensslEarlyServer extends AsyncDisposable {
  readonly port: number
  readonly certificates: CertificateFiles
  /** All that it printed, on stdout and then on stderr. */
  output(): string
  /** Resolves when it has printed this. */
  untilOutput(part: string): Promise<void>
  say(line: string): void
}

export async function startOpensslEarlyServer(switches: readonly string[] = []): Promise<OpensslEarlyServer> {
  const path = findBinary('openssl')
  if (path === undefined) throw new Error(requireBinary('openssl'))
  const directory = makeTemporaryDirectory('openssl-early')
  const certificates = await writeCertificateFiles(directory.path)
  const port = await freePort()
  const { certFile, keyFile } = certificates
  const listen = ['-accept', `127.0.0.1:${port}`, '-cert', certFile, '-key', keyFile]
  const child = spawn(path, ['s_server', ...listen, '-tls1_3', '-early_data', ...switches])
  const forget = onProcessExit(() => child.kill('SIGKILL'))
  let stdout = ''
  let stderr = ''
  child.stdout.setEncoding('latin1').on('data', (text: string) => {
    stdout += text
  })
  child.stderr.setEncoding('latin1').on('data', (text: string) => {
    stderr += text
  })
  const output = (): string => `${stdout}\n${stderr}`
  child.stdin.on('error', () => {}) // it ends when it likes
  const stop = async (): Promise<void> => {
    if (child.exitCode === null && child.signalCode === null) {
      child.kill('SIGKILL')
      await once(child, 'exit')
    }
    forget()
    directory.remove()
  }
  if (!(await waitUntilAccepts(port, 10_000, () => child.exitCode !== null))) {
    await stop()
    throw new Error(`openssl did not start:\n${output()}`)
  }
  return {
    port,
    certificates,
    output,
    async untilOutput(part) {
      const deadline = performance.now() + 5000
      while (!output().includes(part)) {
        if (performance.now() > deadline) throw new Error(`no ${part} in:\n${output()}`)
        await new Promise(resolve => setTimeout(resolve, 5))
      }
    },
    say: line => void child.stdin.write(`${line}\n`),
    [Symbol.asyncDispose]: stop,
  }
}
