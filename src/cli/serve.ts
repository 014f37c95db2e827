import { asTransportError } from '../index.ts'
import {
  formatFault,
  readConfigFile,
  type Service,
  type ServiceConfig,
  type StartOptions,
} from '../service/index.ts'
import type { SuperviseOptions } from '../service/workers/supervised-service.ts'
import { certificateHint } from './certificate-hint.ts'
import { type CliIo, type Command, EXIT, type KeptService, type SignalSource } from './command.ts'
import { INSECURE_WARNING } from './connection-options.ts'
import { parseOptions, protocolOption, usageError } from './parse-options.ts'
import { screenText } from './text-table.ts'

const HELP = `Usage: middlemile serve -c FILE [--check]
       middlemile serve --origin URL [--listen ADDR] [--protocol P]
                        [--ca FILE|--insecure] [--admin ADDR|off]

Runs the connector: takes requests and sends them on to origins through pooled
connections.

  -c, --config FILE     YAML or JSON
  --check               validates the file, prints each fault with its line and
                        path, and exits: 0 good, 2 bad
  --origin URL          without a file: everything goes to this origin
  --protocol P          what to speak to the origin: auto, h3, h2 or http/1.1;
                        auto lets it choose (ALPN)
  --listen ADDR         HOST:PORT or PORT; default 127.0.0.1:8080
  --ca FILE             PEM certificates to trust for the origin
  -k, --insecure        goes on whatever certificate the origin has: anyone on
                        the path can read and change everything
  --admin ADDR          where the admin routes are, or off; default
                        127.0.0.1:9901, or a free port when that is taken
  --log-level L         debug, info, warn, error or silent
  --log-format F        text or json

With -c FILE the work is done by worker processes, which are replaced when they
end or hang (workers: auto, N or off).

Signals:
  SIGTERM, SIGINT       drain, and exit with 0; a second one exits at once: 1
  SIGHUP                reads the file again, and keeps the old configuration
                        when the new one is bad
  SIGUSR1               opens the access log anew
  SIGUSR2               starts the program anew on the same sockets, and drains
                        this one when that one is ready (with -c and workers)

What nobody caught is logged and lived through; after too many defects
(shutdown.maxFaults) it drains and exits with 4.
`

/** What stands in a file where there is one. */
const FILE_OPTIONS = [
  'origin',
  'listen',
  'protocol',
  'ca',
  'insecure',
  'admin',
  'log-level',
  'log-format',
] as const

export const SERVE_OPTIONS = {
  config: { type: 'string', short: 'c' },
  check: { type: 'boolean' },
  origin: { type: 'string' },
  listen: { type: 'string' },
  protocol: { type: 'string' },
  ca: { type: 'string' },
  insecure: { type: 'boolean', short: 'k' },
  admin: { type: 'string' },
  'log-level': { type: 'string' },
  'log-format': { type: 'string' },
} as const

export const serveCommand: Command = {
  help: HELP,
  async run(args, io) {
    const { values, positionals } = parseOptions(args, SERVE_OPTIONS)
    if (positionals.length > 0) throw usageError(`serve takes no argument ${JSON.stringify(positionals[0])}`)
    const { config: file, origin } = values
    if (file === undefined) {
      if (values.check) throw usageError('--check needs -c FILE')
      if (origin === undefined) throw usageError('serve needs -c FILE or --origin URL')
      const config = originConfig({ ...values, origin })
      const warn = (text: string): void =>
        io.writeError(screenText(`middlemile serve: ${text}\n`, io.errorScreen))
      const start = async (options: StartOptions): Promise<Service> => {
        const service = await io.startService(config, options)
        checkCertificate(service, origin, values.insecure === true, warn)
        return service
      }
      return exit(await runUntilSignal(start, io.signals), io)
    }
    for (const name of FILE_OPTIONS) {
      if (values[name] !== undefined)
        throw usageError(`--${name} does not go with -c FILE: write it into the file`)
    }
    return values.check ? await check(file, io) : await serveFile(file, io)
  },
}

/** What waits for a reader of the log that never comes must not hold the process. */
function exit(code: number, io: CliIo): number {
  io.signals.exit(code)
  return code
}

async function serveFile(file: string, io: CliIo): Promise<number> {
  const start: StartService = async options => {
    const supervised = await io.superviseFile(file, options)
    if (!('because' in supervised)) return supervised
    const { because } = supervised
    if (because !== undefined) io.writeError(`middlemile serve: everything goes in one process: ${because}\n`)
    return await io.startServiceFromFile(file, options)
  }
  return exit(await runUntilSignal(start, io.signals), io)
}

async function check(file: string, io: CliIo): Promise<number> {
  const read = await readConfigFile(file)
  const faults = read.ok ? read.doubts : read.faults
  for (const fault of faults) io.writeError(`${formatFault(fault, file)}\n`)
  if (!read.ok || faults.length > 0) return EXIT.usage
  const { origins, routes, warnings } = read.settings
  for (const warning of warnings) io.writeError(`${file}: warning: ${warning}\n`)
  io.write(`${file}: good, ${origins.length} origins, ${routes.length} routes\n`)
  return EXIT.ok
}

/**
 * The configuration that the options stand for; the words of --log-level and --log-format are checked with
 * it.
 */
export function originConfig(values: {
  origin: string
  listen?: string | undefined
  protocol?: string | undefined
  ca?: string | undefined
  insecure?: boolean | undefined
  admin?: string | undefined
  'log-level'?: string | undefined
  'log-format'?: string | undefined
}): ServiceConfig {
  const protocol = protocolOption(values.protocol)
  if (values.ca !== undefined && values.insecure === true)
    throw usageError('--ca says whom to trust, and --insecure to trust everybody: give one of them')
  const log = { level: values['log-level'], format: values['log-format'] }
  const config = {
    listen: [{ address: listenAddress(values.listen ?? '127.0.0.1:8080') }],
    origins: {
      origin: {
        url: values.origin,
        ...(protocol !== undefined && { protocols: [protocol] }),
        ...(values.ca !== undefined && { tls: { ca: values.ca } }),
        ...(values.insecure === true && { tls: { rejectUnauthorized: false } }),
      },
    },
    ...(values.admin !== undefined && { admin: { address: listenAddress(values.admin) } }),
    log: Object.fromEntries(Object.entries(log).filter(([, value]) => value !== undefined)),
  }
  return config
}

/** A bare port means the loopback. */
function listenAddress(text: string): string {
  return /^\d+$/.test(text) ? `127.0.0.1:${text}` : text
}

/**
 * Connects to the origin once, so that a certificate that is not trusted is answered with the way out before
 * the first request fails. Other failures are the log's.
 */
export function checkCertificate(
  service: Pick<Service, 'transport'>,
  origin: string,
  isInsecure: boolean,
  warn: (text: string) => void,
): void {
  if (isInsecure) return warn(`warning: ${INSECURE_WARNING}`)
  service.transport.preconnect(origin, { connections: 1 }).catch((error: unknown) => {
    const failure = asTransportError(error)
    const hint = certificateHint(failure)
    if (hint !== undefined) warn(`${failure.message}; ${hint}`)
  })
}

type StartService = (options: StartOptions & SuperviseOptions) => Promise<KeptService>

/** The exit code after a second signal: something was cut. */
const CUT_SHORT = 1

/**
 * Keeps a service until SIGTERM or SIGINT, or until it gives itself up, then drains and closes it. SIGHUP
 * reloads; the service says in its log how that went. The signals are taken from the first moment, while the
 * service still starts: a supervisor that reads "listening" in the log and signals at once must not meet
 * Node's default, which ends the process.
 */
export async function runUntilSignal(start: StartService, signals: SignalSource): Promise<number> {
  let isStopping = false
  let stop: (exitCode: number) => void = () => {}
  const starting = start({
    onTooManyFaults: () => stop(EXIT.faults),
    onReplaced: () => stop(EXIT.ok),
    returnsMemory: true,
  })
  const ended = new Promise<number>((resolve, reject) => {
    stop = exitCode => {
      if (isStopping) return
      isStopping = true
      starting
        .then(async service => {
          await service.drain()
          await service.close()
        })
        .then(() => resolve(exitCode), reject)
    }
    const onSignal = (): void => {
      if (isStopping) signals.exit(CUT_SHORT)
      else stop(EXIT.ok)
    }
    signals.on('SIGTERM', onSignal)
    signals.on('SIGINT', onSignal)
    signals.on('SIGUSR2', () => {
      starting.then(service => service.upgrade?.()).catch(reject)
    })
    // Without a listener Node opens its debugger then.
    signals.on('SIGUSR1', () => {
      starting.then(service => service.reopenLogs()).catch(reject)
    })
    signals.on('SIGHUP', () => {
      starting.then(service => service.reload()).catch(reject)
    })
  })
  await starting
  return await ended
}
