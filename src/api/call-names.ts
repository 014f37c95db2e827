import { checkNames, type Names } from '../base/options/option-names.ts'
import type { MigrateOptions } from '../origin/stats.ts'
import type {
  ConnectOptions,
  DispatcherOptions,
  RequestOptions,
  Transport,
  WebTransportOptions,
} from './types.ts'

type PreconnectOptions = NonNullable<Parameters<Transport['preconnect']>[1]>
type ProbeOptions = NonNullable<Parameters<Transport['probe']>[1]>

const REQUEST: Names<RequestOptions> = {
  method: 1,
  headers: 1,
  body: 1,
  signal: 1,
  earlyData: 1,
  fairKey: 1,
  headersTimeoutMs: 1,
  bodyTimeoutMs: 1,
  requestTimeoutMs: 1,
  retry: 1,
  protocols: 1,
}
const DISPATCHER: Names<DispatcherOptions> = { earlyData: 1 }
const PRECONNECT: Names<PreconnectOptions> = { connections: 1 }
const CONNECT: Names<ConnectOptions> = { signal: 1 }
const PROBE: Names<ProbeOptions> = { signal: 1 }
const WEB_TRANSPORT: Names<WebTransportOptions> = {
  headers: 1,
  protocols: 1,
  requireUnreliable: 1,
  signal: 1,
  headersTimeoutMs: 1,
}
const MIGRATE: Names<MigrateOptions> = { address: 1, port: 1 }

/** The options of each call of a transport that has some; the types see to it that none is missing. */
const CALLS = {
  request: REQUEST,
  dispatcher: DISPATCHER,
  preconnect: PRECONNECT,
  connect: CONNECT,
  probe: PROBE,
  migrate: MIGRATE,
  webTransport: WEB_TRANSPORT,
}

/** Throws MM_INVALID_ARGUMENT for an option of a call that there is not, with the nearest that there is. */
export function checkCallNames(call: keyof typeof CALLS, options: object | undefined): void {
  checkNames(`${call}()`, options, CALLS[call])
}
