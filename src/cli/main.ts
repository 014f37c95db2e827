import { nearestName } from '../base/nearest-name.ts'
import { packageVersion } from '../base/package-require.ts'
import { TransportError } from '../index.ts'
import type { CliIo, Command } from './command.ts'
import { EXIT } from './command.ts'

/** Each loads what it needs when it runs: `size` has no use for a configuration's parser. */
const COMMANDS: Readonly<
  Record<string, { readonly summary: string; readonly load: () => Promise<Command> }>
> = {
  serve: {
    summary: 'runs the connector',
    load: async () => (await import('./serve.ts')).serveCommand,
  },
  upgrade: {
    summary: 'starts the connector anew in place of one that runs',
    load: async () => (await import('./upgrade.ts')).upgradeCommand,
  },
  get: {
    summary: 'fetches through a pool and shows where the time went',
    load: async () => (await import('./get/get.ts')).getCommand,
  },
  explain: {
    summary: 'what would be tried for an origin, and why',
    load: async () => (await import('./explain.ts')).explainCommand,
  },
  probe: {
    summary: 'what an origin can do: TLS, ALPN, tickets, QUIC, HTTP/3',
    load: async () => (await import('./probe.ts')).probeCommand,
  },
  bench: {
    summary: 'compares protocols on an origin, also under delay and loss',
    load: async () => (await import('./bench/bench.ts')).benchCommand,
  },
  size: {
    summary: "connections needed, by Little's law",
    load: async () => (await import('./size.ts')).sizeCommand,
  },
}

/** Runs one command line (without node and script) and resolves with the exit code. */
export async function main(args: readonly string[], io: CliIo): Promise<number> {
  const [name, ...rest] = args
  if (name === '--version' || name === '-V') return say(io, `middlemile ${packageVersion()}\n`)
  if (name === '--help' || name === '-h' || name === 'help') return say(io, overview())
  if (name === undefined) return complain(io, overview())
  const known = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined
  if (known === undefined) {
    const nearest = nearestName(name, Object.keys(COMMANDS))
    const hint = nearest === undefined ? 'see middlemile --help' : `did you mean ${nearest}?`
    return complain(io, `middlemile: unknown command ${JSON.stringify(name)}; ${hint}\n`)
  }
  const options = beforeTerminator(rest)
  if (options.includes('--version')) return say(io, `middlemile ${packageVersion()}\n`)
  const command = await known.load()
  if (options.includes('--help') || options.includes('-h')) return say(io, command.help)
  return run(name, command, rest, io)
}

async function run(name: string, command: Command, args: readonly string[], io: CliIo): Promise<number> {
  try {
    return await command.run(args, io)
  } catch (error) {
    io.writeError(`middlemile ${name}: ${error instanceof Error ? error.message : String(error)}\n`)
    const code = error instanceof TransportError ? error.code : undefined
    return code === 'MM_INVALID_ARGUMENT' || code === 'MM_CONFIG_INVALID' ? EXIT.usage : EXIT.cannotStart
  }
}

function say(io: CliIo, text: string): number {
  io.write(text)
  return EXIT.ok
}

function complain(io: CliIo, text: string): number {
  io.writeError(text)
  return EXIT.usage
}

function beforeTerminator(args: readonly string[]): readonly string[] {
  const end = args.indexOf('--')
  return end === -1 ? args : args.slice(0, end)
}

function overview(): string {
  const lines = Object.entries(COMMANDS).map(([name, { summary }]) => `  ${name.padEnd(10)}${summary}`)
  return [
    'middlemile carries HTTP from the edge to origins.',
    '',
    'Usage: middlemile COMMAND [options]',
    '',
    ...lines,
    '',
    'middlemile COMMAND --help shows the options of a command; --version the version.',
    'Exit codes: 0 all responses came, 1 some request failed, 2 bad usage, 3 the',
    'process could not start, 4 serve gave itself up.',
    '',
  ].join('\n')
}
