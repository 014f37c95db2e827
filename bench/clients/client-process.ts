import type { BenchClient, ClientJob, ClientSetting } from './client-job.ts'
import { driveBurst, driveSteady } from './drive.ts'
import { middlemileDispatch, middlemileFetch, middlemileRequest } from './middlemile-client.ts'
import { undiciDispatch, undiciFetch, undiciRequest } from './undici-client.ts'

/** A program: one client library in a process of its own, so that its CPU time is its own. Arguments: client, setting as JSON. */
const CLIENTS: Readonly<Record<string, (setting: ClientSetting) => BenchClient | Promise<BenchClient>>> = {
  'undici dispatch': undiciDispatch,
  'undici request': undiciRequest,
  'undici fetch': undiciFetch,
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
process.on('message', (job: ClientJob) => {
  run(job).then(
    report => process.send?.({ report }),
    (error: unknown) =>
      process.send?.({ failure: error instanceof Error ? (error.stack ?? error.message) : String(error) }),
  )
})
process.once('disconnect', () => process.exit(0))
process.send?.('ready')

async function run(job: ClientJob): ReturnType<typeof driveSteady> {
  if (job.kind === 'burst') return driveBurst(makeClient, job)
  client ??= await makeClient()
  return driveSteady(client, job)
}
