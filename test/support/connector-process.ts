import { type CliProcess, spawnCli } from './spawn-cli.ts'

/** `middlemile serve` as a child of this process: for signals, for memory, and to leave the load an event loop of its own. */
export interface ConnectorProcess extends AsyncDisposable {
  readonly cli: CliProcess
  readonly port: number
  /** `http://127.0.0.1:PORT`, without a slash at its end. */
  readonly url: string
  readonly adminUrl: string
}

/** `args` are those of `serve`; they make it listen, and its admin server too, on 127.0.0.1 or localhost. */
export async function startConnectorProcess(
  args: readonly string[],
  cwd?: string,
): Promise<ConnectorProcess> {
  const cli = spawnCli(['serve', ...args], cwd)
  try {
    const [, adminPort] = await cli.untilStdout(/admin on http:\/\/127\.0\.0\.1:(\d+)\b.*\n/)
    const [, scheme, port] = await cli.untilStdout(/listening on (https?):\/\/127\.0\.0\.1:(\d+)\b.*\n/)
    return {
      cli,
      port: Number(port),
      url: `${scheme}://127.0.0.1:${port}`,
      adminUrl: `http://127.0.0.1:${adminPort}`,
      [Symbol.asyncDispose]: () => cli[Symbol.asyncDispose](),
    }
  } catch (error) {
    await cli[Symbol.asyncDispose]()
    throw error
  }
}

/** The options for one origin and free ports. */
export function serveOptions(origin: string, caFile?: string): string[] {
  const options = ['--origin', origin, '--listen', '127.0.0.1:0', '--admin', '127.0.0.1:0']
  return caFile === undefined ? options : [...options, '--ca', caFile]
}
