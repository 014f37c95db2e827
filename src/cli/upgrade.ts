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
  --admin ADDR          the admin server of the running one; default
                        127.0.0.1:9901
`

/** A new program starts workers of its own before it takes over. */
const ANSWER_MS = 90_000

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
  if (address === undefined || address.port === 0)
    throw usageError(`${file} has no admin server with a port: send SIGUSR2 to the process instead`)
  if (tls !== undefined)
    throw usageError(`the admin server of ${file} speaks HTTPS: send SIGUSR2 to the process instead`)
  if (access.tokens.read !== undefined && access.tokens.change === undefined)
    throw usageError(`${file} has no token that may change things: send SIGUSR2 to the process instead`)
  return { address: formatListenAddress(address), token: access.tokens.change }
}

async function upgrade({ address, token }: RunningAdmin, io: CliIo): Promise<number> {
  const transport = io.createTransport({ defaults: { timeouts: { headersMs: ANSWER_MS } } })
  try {
    const response = await transport.request(`http://${address}/upgrade`, {
      method: 'POST',
      ...(token !== undefined && { headers: { authorization: `Bearer ${token}` } }),
    })
    if (response.status === 401 || response.status === 403) {
      io.writeError(`middlemile upgrade: ${await response.text()}`)
      return EXIT.failed
    }
    const answer = (await response.json()) as { pid?: number; error?: { message: string } } // our own server
    if (response.status === 200) {
      io.write(`process ${answer.pid} has taken over\n`)
      return EXIT.ok
    }
    io.writeError(`middlemile upgrade: ${answer.error?.message ?? `status ${response.status}`}\n`)
    return EXIT.failed
  } finally {
    await transport.close()
  }
}
