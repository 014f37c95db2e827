import { spawn } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { ServiceConfig } from '../../src/service/index.ts'
import { onProcessExit } from './cleanup.ts'
import { deathSignalPrefix } from './real-server.ts'
import { freePort } from './tcp-port.ts'
import { makeTemporaryDirectory } from './temporary-directory.ts'

const CLI = fileURLToPath(new URL('../../dist/cli.js', import.meta.url))

/** `middlemile serve` whose standard output is the test's to give, and to read or not. */
export interface UnreadConnector extends AsyncDisposable {
  readonly pid: number
  readonly port: number
  readonly adminUrl: string
  readonly stderr: string
  /** The exit code, or the name of the signal that ended it. */
  readonly exited: Promise<number | string | null>
  /** When `stdout` was `pipe`; nothing reads from it yet. */
  readonly stdout: NodeJS.ReadableStream | null
}

export interface UnreadConnectorOptions {
  readonly config: Partial<ServiceConfig> & Pick<ServiceConfig, 'origins'>
  /** A descriptor, or `pipe`: what Node makes, which is a pair of sockets. */
  readonly stdout: number | 'pipe'
  /** `ulimit -n`. */
  readonly descriptors?: number
  /** A module that runs before it. */
  readonly preload?: string
}

/** Resolves when it answers on its admin port. */
export async function startUnreadConnector(options: UnreadConnectorOptions): Promise<UnreadConnector> {
  const { config, stdout, descriptors, preload } = options
  const directory = makeTemporaryDirectory('unread')
  const [port, adminPort] = [await freePort(), await freePort()]
  const file = join(directory.path, 'config.json')
  const whole = {
    workers: 'off',
    listen: [{ address: `127.0.0.1:${port}` }],
    admin: { address: `127.0.0.1:${adminPort}` },
    ...config,
  }
  writeFileSync(file, JSON.stringify(whole))
  const limit = descriptors === undefined ? '' : `ulimit -n ${descriptors}; `
  const [command, ...args] = [...deathSignalPrefix(), 'sh', '-c', `${limit}exec "$0" "$@"`]
  const child = spawn(
    command,
    [
      ...args,
      process.execPath,
      ...(preload === undefined ? [] : ['--import', preload]),
      CLI,
      'serve',
      '-c',
      file,
    ],
    {
      stdio: ['ignore', stdout, 'pipe'],
    },
  )
  let stderr = ''
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    stderr += text
  })
  const forget = onProcessExit(() => child.kill('SIGKILL'))
  const exited = new Promise<number | string | null>(resolve => {
    child.once('exit', (code, signal) => {
      forget()
      resolve(code ?? signal)
    })
  })
  const adminUrl = `http://127.0.0.1:${adminPort}`
  const connector: UnreadConnector = {
    pid: child.pid ?? -1,
    port,
    adminUrl,
    get stderr() {
      return stderr
    },
    exited,
    stdout: child.stdout,
    async [Symbol.asyncDispose]() {
      child.kill('SIGKILL')
      await exited
      directory.remove()
    },
  }
  const isReady = async (): Promise<boolean> => {
    const answer = await fetch(`${adminUrl}/readyz`).catch(() => undefined)
    return answer?.ok === true
  }
  for (const deadline = Date.now() + 30_000; !(await isReady()); ) {
    if (child.exitCode !== null || Date.now() > deadline) {
      await connector[Symbol.asyncDispose]()
      throw new Error(`it does not come up:\n${stderr}`)
    }
    await new Promise(resolve => setTimeout(resolve, 50))
  }
  return connector
}
