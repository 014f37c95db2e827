import { once } from 'node:events'
import { type IncomingMessage, request } from 'node:http'
import { text as readText } from 'node:stream/consumers'
import { TransportError } from '../index.ts'
import { formatFault, formatListenAddress, readConfigFile } from '../service/index.ts'
import { type CliIo, type Command, EXIT } from './command.ts'
import { parseOptions, usageError } from './parse-options.ts'

const HELP = `Usage: middlemile upgrade -c FILE
       middlemile upgrade --admin ADDR

Starts the program anew in place of one that runs, as it lies on the disk now,
on the same sockets: no client notices. The old one drains and ends when the new
one takes requests, and goes on when that does not come up. SIGUSR2 does the
same.

  -c, --config FILE     the file that the running one was started with: it says
                        where its admin server is
  --admin ADDR          the admin server of the running one, an address or
                        unix:PATH; default 127.0.0.1:9901
`

/** A new program starts workers of its own before it takes over. */
const ANSWER_MS = 90_000
const ROUTE = '/upgrade'
/** What an address begins with that is a path. */
const UNIX = 'unix:'

export const upgradeCommand: Command = {
  help: HELP,
  async run(args, io) {
    const { values, positionals } = parseOptions(args, {
      config: { type: 'string', short: 'c' },
      admin: { type: 'string' },
    } as const)
    if (positionals.length > 0)
      throw usageError(`upgrade takes no argument ${JSON.stringify(positionals[0])}`)
    if (values.config !== undefined && values.admin !== undefined)
      throw usageError('--admin does not go with -c FILE, which says where the admin server is')
    const admin =
      values.config === undefined
        ? { address: values.admin ?? '127.0.0.1:9901' }
        : await adminOf(values.config)
    return await upgrade(admin, io)
  },
}

/** What is known of the admin server of the running one. */
interface RunningAdmin {
  readonly address: string
  readonly token?: string | undefined
}

async function adminOf(file: string): Promise<RunningAdmin> {
  const read = await readConfigFile(file)
  if (!read.ok) throw usageError(read.faults.map(fault => formatFault(fault, file)).join('\n'))
  const { address, access, tls } = read.settings.admin
  if (address === undefined || (address.port === 0 && !address.host.startsWith(UNIX)))
    throw usageError(`${file} has no admin server with a port: send SIGUSR2 to the process instead`)
  if (tls !== undefined)
    throw usageError(`the admin server of ${file} speaks HTTPS: send SIGUSR2 to the process instead`)
  if (access.tokens.read !== undefined && access.tokens.change === undefined)
    throw usageError(`${file} has no token that may change things: send SIGUSR2 to the process instead`)
  return { address: formatListenAddress(address), token: access.tokens.change }
}

async function upgrade(admin: RunningAdmin, io: CliIo): Promise<number> {
  const { status, text } = admin.address.startsWith(UNIX) ? await askOverUnix(admin) : await askAt(admin, io)
  if (status === 401 || status === 403) {
    io.writeError(`middlemile upgrade: ${text}`)
    return EXIT.failed
  }
  const answer = JSON.parse(text) as { pid?: number; error?: { message: string } } // our own server
  if (status === 200) {
    io.write(`process ${answer.pid} has taken over\n`)
    return EXIT.ok
  }
  io.writeError(`middlemile upgrade: ${answer.error?.message ?? `status ${status}`}\n`)
  return EXIT.failed
}

interface Answer {
  readonly status: number
  readonly text: string
}

async function askAt(admin: RunningAdmin, io: CliIo): Promise<Answer> {
  const transport = io.createTransport({ defaults: { timeouts: { headersMs: ANSWER_MS } } })
  try {
    const response = await transport.request(`http://${admin.address}${ROUTE}`, {
      method: 'POST',
      headers: credentials(admin),
    })
    return { status: response.status, text: await response.text() }
  } finally {
    await transport.close()
  }
}

/** Origins of a transport are reached over IP: this one request is Node's. */
async function askOverUnix(admin: RunningAdmin): Promise<Answer> {
  const path = admin.address.slice(UNIX.length)
  const asked = request({
    socketPath: path,
    path: ROUTE,
    method: 'POST',
    headers: { host: 'localhost', ...credentials(admin) },
    signal: AbortSignal.timeout(ANSWER_MS),
  }).end()
  try {
    const [response] = (await once(asked, 'response')) as [IncomingMessage] // the event has this
    return { status: response.statusCode ?? 0, text: await readText(response) }
  } catch (cause) {
    const message = `the admin server at ${path} does not answer`
    throw new TransportError('MM_CONNECT_FAILED', message, { cause, processed: 'unknown' })
  }
}

function credentials({ token }: RunningAdmin): Record<string, string> {
  return token === undefined ? {} : { authorization: `Bearer ${token}` }
}
