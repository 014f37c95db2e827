import { Readable, Writable } from 'node:stream'
import { originOf } from '../../../src/api/calls.ts'
import { originUrl } from '../../../src/base/http/origin.ts'
import type { CliIo } from '../../../src/cli/command.ts'
import type { Rehearsal } from '../../../src/cli/rehearsal.ts'
import { PLAIN_SCREEN, type Screen } from '../../../src/cli/terminal.ts'
import type { Connection } from '../../../src/entry/events.ts'
import type {
  ExchangeInfo,
  Explanation,
  RequestOptions,
  Transport,
  TransportOptions,
  TransportResponse,
} from '../../../src/index.ts'
import type { Service, ServiceConfig } from '../../../src/service/index.ts'
import { fakeConnection } from '../service/fake-connection.ts'

export const INFO: ExchangeInfo = {
  protocol: 'http/1.1',
  connectionId: 7,
  reused: false,
  resumed: false,
  earlyData: 'none',
  tfo: 'off',
  remoteAddress: '192.0.2.1:443',
  attempts: [
    {
      protocol: 'http/1.1',
      endpoint: '192.0.2.1:443',
      startedAtMs: 0,
      outcome: 'connected',
      because: 'first of 1',
    },
  ],
  retries: 0,
  informational: [{ status: 103, headers: { link: '</a>' } }],
  timings: { queueMs: 1, dnsMs: 2, connectMs: 3, tlsMs: 4, ttfbMs: 5, totalMs: 920.34567 },
}

export function response(
  chunks: Iterable<Buffer>,
  changes: Partial<TransportResponse> = {},
): TransportResponse {
  const body = Readable.from(chunks, { objectMode: false })
  const unused = () => Promise.reject(new Error('the command reads the stream'))
  return {
    status: 200,
    statusText: 'OK',
    headers: {},
    body,
    trailers: { 'x-sum': '1' },
    info: INFO,
    bytes: unused,
    text: unused,
    json: unused,
    dump: unused,
    ...changes,
  }
}

export interface FakeOutside {
  preconnectFault?: Error
  /** Answers transport.request(). */
  onRequest?: (url: string, options: RequestOptions, index: number) => Promise<TransportResponse>
  explanation?: Explanation
  service?: Service
  /** What somebody at the terminal says; default: nobody is there. */
  confirms?: boolean
  /** What both outputs can show; default: nothing but text, as a pipe. */
  screen?: Screen
}

/**
 * A command line without an outside. It notifies the observer of one new connection per response that is not
 * reused.
 */
export function fakeIo(outside: FakeOutside = {}) {
  const out: string[] = []
  const err: string[] = []
  const transports: TransportOptions[] = []
  const requests: { url: string; options: RequestOptions }[] = []
  const services: (ServiceConfig | string)[] = []
  const signals = new Map<string, () => void>()
  const exits: number[] = []
  const rehearsals: Rehearsal[] = []
  const prepared: string[] = []
  let closed = 0

  const createTransport = (options: TransportOptions): Transport => {
    transports.push(options)
    const transport: Pick<Transport, 'request' | 'preconnect' | 'explain' | 'close'> = {
      async request(url, requestOptions = {}) {
        requests.push({ url: String(url), options: requestOptions })
        const answer = outside.onRequest ?? (async () => response([Buffer.from('hello')]))
        const response_ = await answer(String(url), requestOptions, requests.length - 1)
        if (!response_.info.reused) reportConnection(options)
        return response_
      },
      async preconnect(url, { connections } = {}) {
        const to = typeof url === 'string' ? url : originUrl(originOf(url))
        prepared.push(`${connections} to ${to} before request ${requests.length + 1}`)
        if (outside.preconnectFault !== undefined) throw outside.preconnectFault
      },
      async explain() {
        if (outside.explanation === undefined) throw new Error('no explanation')
        return outside.explanation
      },
      async close() {
        closed++
      },
    }
    return transport as Transport // the commands use these four
  }

  const start = async (what: ServiceConfig | string): Promise<Service> => {
    services.push(what)
    if (outside.service === undefined) throw new Error('no service')
    return outside.service
  }

  const io: CliIo = {
    write: text => void out.push(text),
    writeError: text => void err.push(text),
    openOutput: () =>
      new Writable({
        write(chunk: Buffer, _encoding, done) {
          out.push(chunk.toString())
          done()
        },
      }),
    async rehearse(rehearsal) {
      rehearsals.push(rehearsal)
      return 0
    },
    screen: outside.screen ?? PLAIN_SCREEN,
    errorScreen: outside.screen ?? PLAIN_SCREEN,
    presentedCertificate: async () => ({
      issuer: 'CN=own authority',
      validUntil: '2030-01-02T03:04:05.000Z',
    }),
    createTransport,
    startService: start,
    startServiceFromFile: start,
    superviseFile: async () => ({ because: undefined }),
    async confirm(question) {
      err.push(question)
      return outside.confirms
    },
    signals: { on: (signal, listener) => signals.set(signal, listener), exit: code => void exits.push(code) },
  }
  return {
    io,
    transports,
    requests,
    services,
    signals,
    exits,
    rehearsals,
    prepared,
    out: () => out.join(''),
    err: () => err.join(''),
    closed: () => closed,
  }
}

function reportConnection(options: TransportOptions): void {
  const connection: Connection = fakeConnection()
  const origin = {
    scheme: 'https',
    host: 'a',
    port: 443,
    key: 'https://a',
    authority: 'a',
    ipFamily: 0,
  } as const
  options.observer?.({ type: 'connection-opened', origin, connection })
}
