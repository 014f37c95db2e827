import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { formatMachine } from '../../src/bench/report/text.ts'
import { makeTemporaryDirectory } from '../../test/support/temporary-directory.ts'
import { machineFacts } from '../lib/cpus.ts'
import { parseSoakArguments, type SoakArguments, USAGE } from './arguments.ts'
import { hangingResolverFault } from './hanging-resolver.ts'
import {
  type SoakProxy,
  type SoakProxyParts,
  startHaproxyProxy,
  startMiddlemile,
  startNginxProxy,
} from './proxies.ts'
import { formatComparison, formatSoak, violations } from './report.ts'
import { type SoakResult, soakSubject } from './soak-subject.ts'

/** The soak's command line; scripts/soak.mjs compiles it and runs it. */
const PROXIES: Readonly<Record<string, (parts: SoakProxyParts) => Promise<SoakProxy>>> = {
  middlemile: startMiddlemile,
  nginx: startNginxProxy,
  haproxy: startHaproxyProxy,
}

// Exit handlers take servers and directories down; the default death by a signal runs none.
process.once('SIGINT', () => process.exit(130))
process.once('SIGTERM', () => process.exit(143))
const args = process.argv.slice(2)
try {
  if (args.includes('--help')) console.log(USAGE)
  else await main(parseSoakArguments(args))
} catch (error) {
  console.error(`soak: ${error instanceof Error ? error.message : String(error)}`)
  process.exitCode = 2
}

async function main(options: SoakArguments): Promise<void> {
  console.log(formatMachine(machineFacts()))
  const fault = hangingResolverFault()
  // nginx and haproxy look names up when they start, and would not.
  const withHangingNames = fault === undefined
  if (!withHangingNames) console.log(`left out: names that hang: ${fault}`)
  const results: SoakResult[] = []
  for (const name of ['middlemile', ...options.peers]) {
    const startProxy = PROXIES[name]
    if (startProxy === undefined) continue
    const result = await inDirectory(name, options.keep, directory =>
      soakSubject(
        startProxy,
        withHangingNames && name === 'middlemile',
        directory,
        options,
        progressOf(name),
      ),
    )
    results.push(result)
    console.log(`\n${formatSoak(result)}\n`)
  }
  const [own, ...peers] = results
  if (peers.length > 0) console.log(`${formatComparison(results)}\n`)
  // What peers do is there to compare, not to judge.
  const broken = own === undefined ? ['nothing was run'] : violations(own)
  for (const violation of broken) console.log(`BROKEN: ${violation}`)
  console.log(broken.length === 0 ? 'soak: every rule held' : `soak: ${broken.length} rules broken`)
  process.exitCode = broken.length === 0 ? 0 : 1
}

async function inDirectory<T>(
  name: string,
  keep: string | undefined,
  act: (directory: string) => Promise<T>,
): Promise<T> {
  if (keep !== undefined) {
    const directory = join(keep, name)
    mkdirSync(directory, { recursive: true })
    return await act(directory)
  }
  using directory = makeTemporaryDirectory('soak')
  return await act(directory.path)
}

/** A line every ten seconds. */
function progressOf(name: string): (requests: number, failures: number) => void {
  let seconds = 0
  return (requests, failures) => {
    seconds++
    if (seconds % 10 === 0) console.log(`${name}: ${seconds} s, ${requests} requests, ${failures} failed`)
  }
}
