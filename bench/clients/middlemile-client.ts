import { setTimeout as sleep } from 'node:timers/promises'
import { pathToFileURL } from 'node:url'
import type * as pushStyle from '../../src/entry/dispatch.ts'
import type {
  DispatchRequest,
  ExchangeController,
  ExchangeHandler,
  HeaderList,
} from '../../src/entry/dispatch.ts'
import type * as middlemile from '../../src/index.ts'
import type { Transport } from '../../src/index.ts'
import { builtFile, NOT_BUILT } from '../lib/repository.ts'
import type { BenchClient, ClientSetting } from './client-job.ts'
import { reportWhenDone } from './serve-jobs.ts'

export type MiddlemileModule = typeof middlemile & typeof pushStyle

/** Servers send a ticket behind the handshake: a few round trips of the longest way that is measured. */
const TICKET_MS = 250
type Done = (bytes: number, error?: unknown) => void

/** The built package, as an embedder gets it. */
export async function loadModule(): Promise<MiddlemileModule> {
  return {
    ...(await loadBuilt<typeof middlemile>('index.js')),
    ...(await loadBuilt<typeof pushStyle>('entry/dispatch.js')),
  }
}

async function loadBuilt<Module>(name: string): Promise<Module> {
  const file = builtFile(name)
  if (file === undefined) throw new Error(NOT_BUILT)
  return (await import(pathToFileURL(file).href)) as Module // the build of exactly that source
}

async function load({
  ca,
  connections,
  protocols,
  stateDirectory,
  earlyData = 'off',
}: ClientSetting): Promise<{ transport: Transport; module: MiddlemileModule }> {
  const module = await loadModule()
  const pool = connections === 0 ? {} : { maxConnections: connections }
  const held = protocols === undefined ? {} : { protocols }
  const state = stateDirectory === undefined ? {} : { state: { directory: stateDirectory } }
  return {
    transport: module.createTransport({ defaults: { tls: { ca }, pool, earlyData, ...held }, ...state }),
    module,
  }
}

/** Counts the bytes of one response, through the lowest door. */
export class CountingHandler implements ExchangeHandler {
  readonly #done: Done
  #bytes = 0
  #status = 0

  constructor(done: Done) {
    this.#done = done
  }

  onRequestStart(): void {
    // nothing to abort
  }

  onInformational(): void {
    // nginx sends none
  }

  onResponseStart(_controller: ExchangeController, status: number): void {
    this.#status = status
  }

  onResponseData(_controller: ExchangeController, chunk: Buffer): void {
    this.#bytes += chunk.length
  }

  onResponseEnd(_controller: ExchangeController, _trailers: HeaderList): void {
    this.#done(this.#bytes, this.#status === 200 ? undefined : new Error(`status ${this.#status}`))
  }

  onUpgrade(): void {
    this.#done(0, new Error('unexpected upgrade'))
  }

  onResponseError(_controller: ExchangeController | undefined, error: Error): void {
    this.#done(this.#bytes, error)
  }
}

export async function middlemileDispatch(setting: ClientSetting): Promise<BenchClient> {
  const { transport, module } = await load(setting)
  const origin = module.parseOrigin(setting.origin)
  return {
    send(path, done) {
      const request: DispatchRequest = { method: 'GET', path, headers: module.NO_HEADERS, body: null }
      transport.dispatch(origin, request, new CountingHandler(done))
    },
    async close() {
      if (setting.stateDirectory !== undefined) await sleep(TICKET_MS)
      await transport.close()
    },
  }
}

export async function middlemileRequest(setting: ClientSetting): Promise<BenchClient> {
  const { transport } = await load(setting)
  const get = async (path: string): Promise<number> => {
    const response = await transport.request(setting.origin + path)
    return (await response.bytes()).byteLength
  }
  return { send: (path, done) => void reportWhenDone(get(path), done), close: () => transport.close() }
}

export async function middlemileFetch(setting: ClientSetting): Promise<BenchClient> {
  const { transport } = await load(setting)
  const get = async (path: string): Promise<number> => {
    const response = await transport.fetch(setting.origin + path)
    return (await response.arrayBuffer()).byteLength
  }
  return { send: (path, done) => void reportWhenDone(get(path), done), close: () => transport.close() }
}
