import type { Finding, ProbedHandshake } from '../../../../src/base/events/probe-report.ts'
import type { Endpoint } from '../../../../src/base/http/endpoint.ts'
import type {
  ProbeTools,
  TlsHandshake,
  TlsHandshakeOptions,
} from '../../../../src/select/probe/probe-tools.ts'

export const HANDSHAKE: TlsHandshake = {
  ms: 20,
  protocol: 'h2',
  cipher: 'TLS_AES_128_GCM_SHA256',
  tickets: { version: 'TLSv1.3', issued: 2, lifetimeSeconds: 7200, maxEarlyDataBytes: 0 },
  certificate: { validUntil: '2030-01-01T00:00:00.000Z', issuer: 'CN=test' },
}
export const HTTP3: ProbedHandshake = { ms: 30, protocol: 'h3', cipher: undefined }

export interface Call {
  readonly tool: string
  readonly what: string
  readonly signal: AbortSignal
}

const place = ({ address, port, transport }: Endpoint): string => `${address}:${port}/${transport}`
const offer = ({ version, alpn, ticketsForMs }: TlsHandshakeOptions): string =>
  [version ?? 'any', alpn.join('+'), ...(ticketsForMs > 0 ? [`tickets for ${ticketsForMs}`] : [])].join(' ')

/**
 * Tools of an origin that has everything, at 192.0.2.1, but for what is given. They write down what they are
 * asked.
 */
export function fakeTools(changes: Partial<ProbeTools> = {}): {
  tools: ProbeTools
  calls: Call[]
  asked(tool: string): string[]
} {
  const calls: Call[] = []
  const found = <T>(value: T): Promise<Finding<T>> => Promise.resolve({ found: value })
  const all: Required<ProbeTools> = {
    resolve: () => found([{ address: '192.0.2.1', family: 4, ttlSeconds: 60 }]),
    serviceRecords: () => found([]),
    connectTcp: () => found({ ms: 10 }),
    handshakeTls: (_endpoint, { alpn }) => found({ ...HANDSHAKE, protocol: alpn[0] }),
    fastOpen: () => Promise.resolve({ skipped: 'Node cannot' }),
    quicVersions: () => found({ versions: ['0x00000001'], ms: 11 }),
    handshakeHttp3: () => found(HTTP3),
    altSvc: () => found([]),
    ...changes,
  }
  const tools: ProbeTools = {
    resolve: (host, signal) => noted('resolve', host, signal, () => all.resolve(host, signal)),
    serviceRecords: (host, port, signal) =>
      noted('serviceRecords', `${host}:${port}`, signal, () => all.serviceRecords(host, port, signal)),
    connectTcp: (endpoint, signal) =>
      noted('connectTcp', place(endpoint), signal, () => all.connectTcp(endpoint, signal)),
    handshakeTls: (endpoint, options, signal) =>
      noted('handshakeTls', `${place(endpoint)} ${offer(options)}`, signal, () =>
        all.handshakeTls(endpoint, options, signal),
      ),
    fastOpen: (endpoint, signal) =>
      noted('fastOpen', place(endpoint), signal, () => all.fastOpen(endpoint, signal)),
    quicVersions: (endpoint, signal) =>
      noted('quicVersions', place(endpoint), signal, () => all.quicVersions(endpoint, signal)),
    handshakeHttp3: (endpoint, signal) =>
      noted('handshakeHttp3', place(endpoint), signal, () => all.handshakeHttp3(endpoint, signal)),
    ...(!('altSvc' in changes && changes.altSvc === undefined) && {
      altSvc: (signal: AbortSignal) => noted('altSvc', '', signal, () => all.altSvc(signal)),
    }),
  }
  function noted<T>(tool: string, what: string, signal: AbortSignal, run: () => T): T {
    calls.push({ tool, what, signal })
    return run()
  }
  return { tools, calls, asked: tool => calls.filter(call => call.tool === tool).map(({ what }) => what) }
}
