import { once } from 'node:events'
import { connect } from 'node:tls'
import { systemClock } from '../../src/base/clock.ts'
import { DEFAULT_RESPONSE_LIMITS } from '../../src/base/options/options.ts'
import { DEFAULT_HTTP2_OPTIONS } from '../../src/base/options/protocol-options.ts'
import { ReadPort } from '../../src/base/socket/read-port.ts'
import { http2Connection } from '../../src/http/http2/connection.ts'
import type { BenchClient, ClientJob, ClientReport, ClientSetting } from './client-job.ts'
import { driveBurst, driveSteady, driveWarmBurst, driveWhole } from './drive.ts'
import { DEAF, drivenConnection, UNTOLD_HANDSHAKE } from './driven-connection.ts'
import { middlemileDispatch, middlemileFetch, middlemileRequest } from './middlemile-client.ts'
import { middlemileHttp3Connection } from './middlemile-http3-connection-client.ts'
import { nodeHttp2, nodeHttp2Defaults } from './node-http2-client.ts'
import { serveJobs } from './serve-jobs.ts'
import { undiciDispatch, undiciFetch, undiciH2Dispatch, undiciRequest } from './undici-client.ts'

/**
 * One HTTP/2 connection of ours, driven directly: what the transport and its pool cost is the difference to
 * `middlemile h2`. There is no such door outside, so this is compiled from the source instead of taken from
 * the build.
 */
async function middlemileConnection({ origin, ca }: ClientSetting): Promise<BenchClient> {
  const { hostname, port, host } = new URL(origin)
  const readPort = new ReadPort()
  const target = { host: hostname, port: Number(port), onread: readPort.onread }
  // tls.connect passes `onread` on to the socket that it makes; its types do not say so for options written
  // in place.
  const socket = connect({ ...target, ca, ALPNProtocols: ['h2'] })
  await once(socket, 'secureConnect')
  if (socket.alpnProtocol !== 'h2') throw new Error(`the origin chose ${socket.alpnProtocol}`)
  socket.setNoDelay(true)
  const connection = http2Connection({
    id: 1,
    socket,
    port: readPort,
    endpoint: { address: hostname, family: 4, port: Number(port), transport: 'tcp' },
    handshake: UNTOLD_HANDSHAKE,
    listener: DEAF,
    limits: DEFAULT_RESPONSE_LIMITS,
    http2: DEFAULT_HTTP2_OPTIONS,
    clock: systemClock,
  })
  return drivenConnection(connection, host)
}

type MakeClient = (setting: ClientSetting) => BenchClient | Promise<BenchClient>

/**
 * A program: one client library in a process of its own, so that its CPU time is its own. Arguments: client,
 * setting as JSON.
 */
const CLIENTS: Readonly<Record<string, MakeClient>> = {
  'undici dispatch': undiciDispatch,
  'undici request': undiciRequest,
  'undici fetch': undiciFetch,
  'undici h2 dispatch': undiciH2Dispatch,
  'node:http2': nodeHttp2,
  'node:http2 defaults': nodeHttp2Defaults,
  'middlemile connection': middlemileConnection,
  'middlemile h3 connection': middlemileHttp3Connection,
  'middlemile dispatch': middlemileDispatch,
  'middlemile request': middlemileRequest,
  'middlemile fetch': middlemileFetch,
}

const [name = '', settingText = '{}'] = process.argv.slice(2)
const make = CLIENTS[name]
if (make === undefined) throw new Error(`no client called ${name}: ${Object.keys(CLIENTS).join(', ')}`)
const setting = JSON.parse(settingText) as ClientSetting // written by measured-client.ts
const makeClient = async (): Promise<BenchClient> => make(setting)

let client: BenchClient | undefined
serveJobs(run)

async function run(job: ClientJob): Promise<ClientReport> {
  if (job.kind === 'burst') return driveBurst(makeClient, job)
  client ??= await makeClient()
  switch (job.kind) {
    case 'steady':
      return driveSteady(client, job)
    case 'warm-burst':
      return driveWarmBurst(client, job)
    case 'whole':
      break
  }
  return driveWhole(client, job)
}
