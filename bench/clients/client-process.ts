import type { BenchClient, ClientJob, ClientReport, ClientSetting } from './client-job.ts'
import { driveBurst, driveSteady, driveWarmBurst, driveWhole } from './drive.ts'
import { middlemileDispatch, middlemileFetch, middlemileRequest } from './middlemile-client.ts'
import { middlemileConnection } from './middlemile-connection-client.ts'
import { middlemileHttp3Connection } from './middlemile-http3-connection-client.ts'
import { nodeHttp2, nodeHttp2Defaults } from './node-http2-client.ts'
import { serveJobs } from './serve-jobs.ts'
import { undiciDispatch, undiciFetch, undiciH2Dispatch, undiciRequest } from './undici-client.ts'

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
