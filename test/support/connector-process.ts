import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { ServiceConfig } from '../../src/service/index.ts'
import { type CliProcess, spawnCli } from './spawn-cli.ts'
import { makeTemporaryDirectory } from './temporary-directory.ts'

/**
 * `middlemile serve` as a child of this process: for signals, for memory, and to leave the load an event loop
 * of its own.
 */
export interface ConnectorProcess extends AsyncDisposable {
  readonly cli: CliProcess
  readonly port: number
  /** `http://127.0.0.1:PORT`, without a slash at its end. */
  readonly url: string
  /** Of an admin server that has a port. */
  readonly adminUrl: string
}

/** `args` are those of `serve`; they make it listen, and its admin server too, on 127.0.0.1 or localhost. */
export async function startConnectorProcess(
  args: readonly string[],
  cwd?: string,
  env?: NodeJS.ProcessEnv,
): Promise<ConnectorProcess> {
  const cli = spawnCli(['serve', ...args], cwd, env && { env: { ...process.env, ...env } })
  try {
    const [, admin] = await cli.untilStdout(/admin on http:\/\/(127\.0\.0\.1:\d+\b|unix:).*\n/)
    const [, scheme, port] = await cli.untilStdout(/listening on (https?):\/\/127\.0\.0\.1:(\d+)\b.*\n/)
    return {
      cli,
      port: Number(port),
      url: `${scheme}://127.0.0.1:${port}`,
      adminUrl: `http://${admin}`,
      [Symbol.asyncDispose]: () => cli[Symbol.asyncDispose](),
    }
  } catch (error) {
    await cli[Symbol.asyncDispose]()
    throw error
  }
}

/**
 * The same with a configuration of its own, on free ports unless it says otherwise. Where it listens is a
 * line of level `info`.
 */
export async function startConfiguredConnector(
  config: Partial<ServiceConfig> & Pick<ServiceConfig, 'origins'>,
  env?: NodeJS.ProcessEnv,
): Promise<ConnectorProcess & { readonly file: string }> {
  const directory = makeTemporaryDirectory('connector')
  const file = join(directory.path, 'config.json')
  const whole = {
    workers: 'off', // one process, whose memory and descriptors tests look at
    listen: [{ address: '127.0.0.1:0' }],
    admin: { address: '127.0.0.1:0' },
    ...config,
  }
  writeFileSync(file, JSON.stringify(whole))
  try {
    const connector = await startConnectorProcess(['-c', file], undefined, env)
    return {
      ...connector,
      file,
      async [Symbol.asyncDispose]() {
        await connector[Symbol.asyncDispose]()
        directory.remove()
      },
    }
  } catch (error) {
    directory.remove()
    throw error
  }
}

/** The options for one origin and free ports. */
export function serveOptions(origin: string, caFile?: string): string[] {
  const options = ['--origin', origin, '--listen', '127.0.0.1:0', '--admin', '127.0.0.1:0']
  return caFile === undefined ? options : [...options, '--ca', caFile]
}
