import type {
  ProbedAlternative,
  ProbedFastOpen,
  ProbedHandshake,
  ProbedServiceRecord,
  ProbedTarget,
  ProbedTickets,
  ProbeFault,
  QuicFinding,
} from '../entry/events.ts'
import { type Finding, type ProbeReport, parseOrigin } from '../index.ts'
import { certificateHint } from './certificate-hint.ts'
import { type Command, EXIT, type PresentedCertificate } from './command.ts'
import {
  CONNECTION_HELP,
  CONNECTION_OPTIONS,
  connectionOptions,
  INSECURE_WARNING,
} from './connection-options.ts'
import { countOption, parseOptions, usageError } from './parse-options.ts'
import { harmless, type Screen } from './terminal.ts'
import { screenTable, screenText } from './text-table.ts'

const HELP = `Usage: middlemile probe [options] URL

What an origin can do: addresses, TCP, TLS versions, ALPN, tickets and early
data, Alt-Svc and HTTPS records, QUIC and HTTP/3. One HEAD request is sent, for
its Alt-Svc. Exit codes: 0 something answered, 1 nothing did, 2 bad usage.

${CONNECTION_HELP}  --timeout-ms N        for the probe as a whole; default 5000
  --json                the same as JSON
`

export const probeCommand: Command = {
  help: HELP,
  async run(args, io) {
    const { values, positionals } = parseOptions(args, {
      ...CONNECTION_OPTIONS,
      'timeout-ms': { type: 'string' },
      json: { type: 'boolean' },
    })
    const [url, extra] = positionals
    if (url === undefined || extra !== undefined) throw usageError('probe needs exactly one URL')
    const origin = parseOrigin(url)
    const timeoutMs = countOption('timeout-ms', values['timeout-ms'])
    const connection = connectionOptions(values, [url])
    if (timeoutMs !== undefined) {
      connection.defaults.select = { ...connection.defaults.select, probeTimeoutMs: timeoutMs }
    }
    // Its figures are those of the origin, and not of an engine that loads.
    await io.rehearse({ kind: 'probe', isSecure: origin.scheme === 'https', defaults: connection.defaults })
    const transport = io.createTransport({
      ...connection,
      observer: event => {
        if (event.type === 'state-fault') io.writeError(`middlemile probe: warning: ${event.message}\n`)
      },
    })
    if (values.insecure === true) io.writeError(`middlemile probe: warning: ${INSECURE_WARNING}\n`)
    try {
      const report = await transport.probe(url)
      if (values.json) {
        io.write(`${JSON.stringify(report)}\n`)
        return report.isReachable ? EXIT.ok : EXIT.failed
      }
      const refused = refusedCertificate(report)
      // What stands at the endpoint is the proxy, where there is one.
      const isDirect = connection.egress === undefined
      const presented = isDirect && refused && (await io.presentedCertificate(refused.endpoint, origin.host))
      io.write(probeText(report, io.screen, presented || undefined))
      const hint = refused && certificateHint(refused.fault)
      if (hint !== undefined) io.writeError(screenText(`middlemile probe: ${hint}\n`, io.errorScreen))
      return report.isReachable ? EXIT.ok : EXIT.failed
    } finally {
      await transport.close()
    }
  },
}

/** RFC 9000 and RFC 9369. */
const QUIC_VERSIONS: Readonly<Record<string, string>> = { '0x00000001': 'v1', '0x6b3343cf': 'v2' }

type Row = readonly string[]

/** A probe's report for people. */
export function probeText(report: ProbeReport, screen: Screen, presented?: PresentedCertificate): string {
  const section = (title: string, rows: readonly Row[]): string => {
    if (rows.length === 0) return ''
    const cells = rows.map(([first = '', ...rest]) => [` ${first}`, ...rest].map(harmless))
    return `${screen.paint('bold', title)}\n${screenTable(cells, screen)}`
  }
  const sections = [
    screenText(
      `${report.origin}, probed in ${ms(report.durationMs)}${report.isReachable ? '' : ': nothing answers there'}\n`,
      screen,
    ),
    section('Addresses', addressRows(report)),
    section('TCP', tcpRows(report)),
    section('TLS', tlsRows(report, presented)),
    section('Advertised', advertisedRows(report)),
    section('QUIC and HTTP/3', quicRows(report)),
    section('Shortest round trips', roundTripRows(report)),
  ]
  return sections.filter(text => text !== '').join('\n')
}

function addressRows({ addresses }: ProbeReport): Row[] {
  if (!('found' in addresses)) return [[missing(addresses)]]
  return addresses.found.map(({ address, port, ttlSeconds }) => [
    port === undefined ? address : `${address} port ${port}`,
    ttlSeconds === undefined ? '' : `for ${ttlSeconds} s`,
  ])
}

function tcpRows({ tcp, fastOpen }: ProbeReport): Row[] {
  const rows: Row[] = tcp.map(({ endpoint, connect }) => [
    endpoint,
    show(connect, ({ ms: took }) => `connected in ${ms(took)}`, endpoint),
  ])
  if (tcp.length === 0) return rows
  const endpoints = tcp.map(({ endpoint }) => endpoint)
  return [
    ...rows,
    ['Fast Open', isUntrusted(fastOpen) ? NOT_ACCEPTED : show(fastOpen, fastOpenText, ...endpoints)],
  ]
}

/** The reason stands with the certificate, once. */
const NOT_ACCEPTED = 'not looked at: the certificate is not accepted'

/** Where the origin's certificate was refused, and why; undefined: it was not, or nobody saw it. */
export function refusedCertificate({
  certificate,
  tcp,
}: ProbeReport): { readonly endpoint: string; readonly fault: ProbeFault } | undefined {
  const seen = tcp.find(({ connect }) => 'found' in connect)
  if (seen === undefined || !isUntrusted(certificate)) return undefined
  return { endpoint: seen.endpoint, fault: certificate }
}

function isUntrusted(finding: Finding<unknown>): finding is ProbeFault {
  return 'fault' in finding && finding.code === 'MM_TLS_CERTIFICATE'
}

/** `the certificate for a.test is self-signed`: in its own row the first words are said already. */
function reasonOf(fault: string): string {
  return fault.replace(/^the certificate /, '')
}

function fastOpenText({ cookie, taken, because }: ProbedFastOpen): string {
  if (taken) return `works: ${because}`
  return `${cookie ? 'has a cookie, and does not work' : 'does not work'}: ${because}`
}

function tlsRows(
  { tls, certificate, alpn, tickets, tcp }: ProbeReport,
  presented: PresentedCertificate | undefined,
): Row[] {
  const endpoints = tcp.map(({ endpoint }) => endpoint)
  const [first] = tls
  // One reason for everything: said once.
  if (
    first !== undefined &&
    'skipped' in first.handshake &&
    tls.every(({ handshake }) => 'skipped' in handshake)
  ) {
    return [[missing(first.handshake)]]
  }
  if (isUntrusted(certificate)) {
    const reason = reasonOf(without(endpoints, certificate.fault))
    const facts =
      presented === undefined ? '' : `; from ${presented.issuer}, valid until ${presented.validUntil}`
    return [['certificate', `not accepted: ${reason}${facts}`]]
  }
  return [
    ...tls.map(({ version, handshake }) => [version, show(handshake, handshakeText, ...endpoints)]),
    [
      'certificate',
      show(
        certificate,
        ({ validUntil, issuer }) => `valid until ${validUntil}, from ${issuer}`,
        ...endpoints,
      ),
    ],
    ...alpn.map(({ protocol, accepted }) => [
      `ALPN ${protocol}`,
      show(accepted, isAccepted => (isAccepted ? 'accepted' : 'not accepted'), ...endpoints),
    ]),
    ['tickets', show(tickets, ticketsText)],
  ]
}

function handshakeText({ ms: took, protocol, cipher, udp, webTransport }: ProbedHandshake): string {
  return [
    `handshake in ${ms(took)}`,
    protocol ?? 'no ALPN',
    ...(cipher === undefined ? [] : [cipher]),
    ...(udp === undefined ? [] : [`UDP by ${udp}`]),
    ...(webTransport === undefined ? [] : [webTransportText(webTransport)]),
  ].join(', ')
}

function webTransportText(drafts: readonly string[]): string {
  return drafts.length === 0 ? 'no WebTransport' : `WebTransport (${drafts.join(', ')})`
}

function ticketsText({ version, issued, lifetimeSeconds, maxEarlyDataBytes }: ProbedTickets): string {
  if (issued === 0) return `none with ${version}`
  const early = maxEarlyDataBytes === 0 ? 'no early data' : `early data up to ${maxEarlyDataBytes} bytes`
  const lifetime = lifetimeSeconds === undefined ? 'no lifetime given' : `good for ${lifetimeSeconds} s`
  return `${issued} with ${version}, ${lifetime}, ${early}`
}

function advertisedRows({ altSvc, httpsRecords }: ProbeReport): Row[] {
  return [
    ...listRows('Alt-Svc', altSvc, alternativeText),
    ...listRows('HTTPS record', httpsRecords, serviceRecordText),
  ]
}

function listRows<T>(title: string, finding: Finding<readonly T[]>, text: (entry: T) => string): Row[] {
  if (!('found' in finding)) return [[title, isUntrusted(finding) ? NOT_ACCEPTED : missing(finding)]]
  if (finding.found.length === 0) return [[title, 'none']]
  return finding.found.map(entry => [title, text(entry)])
}

function alternativeText(alternative: ProbedAlternative): string {
  const { protocol, host, port, maxAgeSeconds, persists } = alternative
  const kept = persists ? ', also on another network' : ''
  return `${protocol} at ${host} port ${port}, for ${maxAgeSeconds} s${kept}`
}

function serviceRecordText(record: ProbedServiceRecord): string {
  const { priority, target, ttlSeconds, alpn, port, addressHints } = record
  if (priority === 0) return `alias of ${target}, for ${ttlSeconds} s`
  return [
    `${priority} ${target === '' ? '.' : target}`,
    ...(alpn.length === 0 ? [] : [`alpn ${alpn.join(' ')}`]),
    ...(port === undefined ? [] : [`port ${port}`]),
    ...(addressHints.length === 0 ? [] : [`hints ${addressHints.join(' ')}`]),
    `for ${ttlSeconds} s`,
  ].join(', ')
}

function quicRows({ quic, http3 }: ProbeReport): Row[] {
  const [first] = quic
  if (first !== undefined && 'skipped' in first.answer) return [[missing(first.answer)]]
  return quic.flatMap((look, i) => {
    const handshake = http3[i]?.handshake
    const rows: Row[] = [[`UDP port ${portOf(look)}`, addressOf(look), quicText(look.answer, look.endpoint)]]
    if (handshake === undefined) return rows
    return [...rows, ['', 'HTTP/3', show(handshake, handshakeText, look.endpoint)]]
  })
}

function quicText(answer: QuicFinding, endpoint: string): string {
  if ('found' in answer) {
    const { versions, ms: took } = answer.found
    const names = versions.map(version => QUIC_VERSIONS[version] ?? version)
    return `speaks QUIC (${names.length === 0 ? 'no version that is known' : names.join(', ')}), ${ms(took)}`
  }
  if ('skipped' in answer) return missing(answer)
  if (answer.why === 'refused') return 'refused: nothing listens there'
  if (answer.why === 'silent') return 'silent: a firewall drops UDP, or nothing speaks QUIC there'
  return `${answer.why === 'unreachable' ? 'unreachable: ' : ''}${without([endpoint], answer.fault)}`
}

function roundTripRows({ roundTripMs }: ProbeReport): Row[] {
  const names = {
    tcp: 'TCP connect',
    tls: 'TLS handshake',
    quic: 'QUIC answer',
    h3: 'HTTP/3 handshake',
  } as const
  const kinds = ['tcp', 'tls', 'quic', 'h3'] as const
  return kinds.flatMap(kind => {
    const took = roundTripMs[kind]
    return took === undefined ? [] : [[names[kind], ms(took)]]
  })
}

function show<T>(finding: Finding<T>, text: (found: T) => string, ...endpoints: readonly string[]): string {
  return 'found' in finding ? text(finding.found) : missing(finding, endpoints)
}

function missing(finding: Exclude<Finding<unknown>, { found: unknown }>, endpoints: Row = []): string {
  return 'fault' in finding
    ? `failed: ${without(endpoints, finding.fault)}`
    : `not looked at: ${finding.skipped}`
}

/** A fault begins with its endpoint, which stands in the row already. */
function without(endpoints: Row, fault: string): string {
  const prefix = endpoints.find(endpoint => fault.startsWith(`${endpoint} `))
  return prefix === undefined ? fault : fault.slice(prefix.length + 1)
}

function portOf({ endpoint }: ProbedTarget): string {
  return endpoint.slice(endpoint.lastIndexOf(':') + 1)
}

function addressOf({ endpoint, host, source }: ProbedTarget): string {
  const address = endpoint.slice(0, endpoint.lastIndexOf(':'))
  return source === 'origin'
    ? address
    : `${address} (${host}, from ${source === 'alt-svc' ? 'Alt-Svc' : 'DNS'})`
}

function ms(value: number): string {
  return `${value.toFixed(1)} ms`
}
