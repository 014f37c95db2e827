import type { Finding, ProbeReport } from '../../base/events/probe-report.ts'
import type { OriginRecord } from '../record/origin-record.ts'

/**
 * Takes what a capability probe found into the record of its origin. What it found to be so is a fact; that
 * something went wrong is none, except where a UDP port said so.
 */
export function learnFromProbe(record: OriginRecord, report: ProbeReport, now: number): void {
  const tickets = found(report.tickets)
  const fastOpen = found(report.fastOpen)
  const tlsVersions = report.tls.filter(({ handshake }) => found(handshake) !== undefined)
  // Where none worked something is wrong with the way, or with the probe.
  if (tlsVersions.length > 0) {
    record.onProbed(
      {
        tlsVersions: tlsVersions.map(({ version }) => version),
        alpn: report.alpn.filter(({ accepted }) => found(accepted) === true).map(({ protocol }) => protocol),
        ...(tickets === undefined ? {} : { tickets }),
        ...(fastOpen === undefined ? {} : { fastOpen }),
      },
      now,
    )
  }
  for (const { endpoint, connect } of report.tcp) {
    const ms = found(connect)?.ms
    if (ms !== undefined) record.onConnectProbed(endpoint, ms, now)
  }
  for (const { endpoint, answer } of report.quic) record.onQuicProbed(endpoint, answer, now)
  for (const { host, endpoint, handshake } of report.http3) {
    if (found(handshake) === undefined) continue
    record.onHttp3Found(host, Number(endpoint.slice(endpoint.lastIndexOf(':') + 1)), now)
    break // One place is enough; the others have been advertised, and come from there.
  }
}

function found<T>(finding: Finding<T>): T | undefined {
  return 'found' in finding ? finding.found : undefined
}
