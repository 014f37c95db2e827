import { createRequire } from 'node:module'
import { TransportError } from '../index.ts'
import { nearestName } from '../service/config/nearest-name.ts'
import { benchCommand } from './bench/bench.ts'
import type { CliIo, Command } from './command.ts'
import { EXIT } from './command.ts'
import { explainCommand } from './explain.ts'
import { getCommand } from './get/get.ts'
import { probeCommand } from './probe.ts'
import { serveCommand } from './serve.ts'
import { sizeCommand } from './size.ts'

const COMMANDS: readonly Command[] = [
  serveCommand,
  getCommand,
  explainCommand,
  probeCommand,
  benchCommand,
  sizeCommand,
]

/** Runs one command line (without node and script) and resolves with the exit code. */
export async function main(args: readonly string[], io: CliIo): Promise<number> {
  const [name, ...rest] = args
  if (name === '--version' || name === '-V') return say(io, `middlemile ${version()}\n`)
  if (name === '--help' || name === '-h' || name === 'help') return say(io, overview())
  if (name === undefined) return complain(io, overview())
  const command = COMMANDS.find(command => command.name === name)
  if (command === undefined) {
    const nearest = nearestName(
      name,
      COMMANDS.map(({ name }) => name),
    )
    const hint = nearest === undefined ? 'see middlemile --help' : `did you mean ${nearest}?`
    return complain(io, `middlemile: unknown command ${JSON.stringify(name)}; ${hint}\n`)
  }
  const options = beforeTerminator(rest)
  if (options.includes('--help') || options.includes('-h')) return say(io, command.help)
  if (options.includes('--version')) return say(io, `middlemile ${version()}\n`)
  return run(command, rest, io)
}

async function run(command: Command, args: readonly string[], io: CliIo): Promise<number> {
  try {
    return await command.run(args, io)
  } catch (error) {
    io.writeError(`middlemile ${command.name}: ${error instanceof Error ? error.message : String(error)}\n`)
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
  const lines = COMMANDS.map(({ name, summary }) => `  ${name.padEnd(10)}${summary}`)
  return [
    'middlemile carries HTTP from the edge to origins.',
    '',
    'Usage: middlemile COMMAND [options]',
    '',
    ...lines,
    '',
    'middlemile COMMAND --help shows the options of a command; --version the version.',
    'Exit codes: 0 all responses came, 1 some request failed, 2 bad usage, 3 the process could not start, 4 serve gave itself up.',
    '',
  ].join('\n')
}

/** Of the package that this file is in, in the sources as well as in the build. */
function version(): string {
  const manifest = createRequire(import.meta.url)('middlemile/package.json') as { version: string } // as npm has it
  return manifest.version
}
