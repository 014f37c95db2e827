import { request } from 'node:https'
import { systemClock } from '../../src/base/clock.ts'
import { asTransportError } from '../../src/base/errors.ts'
import type { Finding, ProbedAlternative, ProbeReport } from '../../src/base/events/probe-report.ts'
import type { ResolvedAddress } from '../../src/base/http/endpoint.ts'
import { parseOrigin } from '../../src/base/http/origin.ts'
import type { Protocol } from '../../src/base/http/protocol.ts'
import { DEFAULT_QUIC_OPTIONS } from '../../src/base/options/protocol-options.ts'
import { FastOpen } from '../../src/connect/fast-open/fast-open.ts'
import { AddressResolver, findBy } from '../../src/dns/address-resolver.ts'
import { probeFastOpen } from '../../src/origin/probing/fast-open.ts'
import { connectTcp } from '../../src/origin/probing/probe-with-timeout.ts'
import { quicVersions } from '../../src/origin/probing/quic-versions.ts'
import { TlsProbe } from '../../src/origin/probing/tls-probe.ts'
import { dialQuic } from '../../src/quic/dial.ts'
import { parseAltSvc } from '../../src/select/evidence/alt-svc.ts'
import { probeOrigin } from '../../src/select/probe/probe.ts'
import type { ProbeTools } from '../../src/select/probe/probe-tools.ts'
import { theEngine } from './quic-engine.ts'

export interface RealProbeOptions {
  /** PEM. */
  ca: string
  /** What names resolve to; without: 127.0.0.1 for `localhost`, and nothing else has an address. */
  hosts?: Readonly<Record<string, readonly string[]>>
  allowed?: readonly Protocol[]
  timeoutMs?: number
  serviceRecords?: ProbeTools['serviceRecords']
}

/**
 * A probe over real sockets. What a transport hands in is made of the same parts here; only names stay on
 * this machine.
 */
export async function probeReal(url: string, options: RealProbeOptions): Promise<ProbeReport> {
  const origin = parseOrigin(url)
  const { allowed = ['h3', 'h2', 'http/1.1'], timeoutMs = 5000 } = options
  const settings = { origin, allowed, timeoutMs, clock: systemClock }
  return await probeOrigin(realTools(origin.host, url, options), settings, new AbortController().signal)
}

function realTools(serverName: string, url: string, options: RealProbeOptions): ProbeTools {
  const { ca, hosts = { localhost: ['127.0.0.1'] } } = options
  const clock = systemClock
  const fastOpen = new FastOpen({ clock })
  const tls = new TlsProbe({ clock, tls: { ca }, serverName, timeoutMs: 3000 })
  const resolver = new AddressResolver({
    clock,
    find: findBy((host, callback) => {
      const addresses = (hosts[host] ?? []).map(toAddress)
      const error = addresses.length > 0 ? null : Object.assign(new Error(host), { code: 'ENOTFOUND' })
      setImmediate(callback, error, addresses)
    }),
  })
  return {
    async resolve(host, signal) {
      const { addresses } = await resolver.resolve(host, signal)
      return { found: addresses.map(address => ({ ...address, ttlSeconds: undefined })) }
    },
    serviceRecords: options.serviceRecords ?? (async () => ({ found: [] })),
    connectTcp: (endpoint, signal) => connectTcp(endpoint, { clock, timeoutMs: 2000 }, signal),
    handshakeTls: (endpoint, wanted, signal) => tls.handshake(endpoint, wanted, signal),
    fastOpen: (endpoint, signal) =>
      probeFastOpen(
        endpoint,
        { clock, fastOpen, tls: { ca }, serverName, protocols: ['h2', 'http/1.1'], timeoutMs: 3000 },
        signal,
      ),
    quicVersions: (endpoint, signal) => quicVersions(endpoint, { clock, timeoutMs: 1000 }, signal),
    async handshakeHttp3(endpoint, signal) {
      try {
        const { link, handshake, handshakeMs } = await dialQuic(
          theEngine(),
          {
            origin: url,
            attempts: [{ endpoint, because: 'probe' }],
            serverName,
            tls: { ca },
            quic: DEFAULT_QUIC_OPTIONS,
            timeouts: { connectMs: 2000, attemptDelayMs: 250 },
            protocols: ['h3'],
          },
          clock,
          signal,
        )
        link.connection.close(true, 0x100, '') // H3_NO_ERROR (RFC 9114 8.1)
        link.schedule()
        return { found: { ms: handshakeMs, protocol: handshake?.protocol, cipher: undefined } }
      } catch (cause) {
        const { message, code } = asTransportError(cause)
        return { fault: message, code }
      }
    },
    altSvc: signal => altSvcOf(url, ca, toAddress((hosts[serverName] ?? [])[0] ?? ''), signal),
  }
}

function toAddress(address: string): ResolvedAddress {
  return { address, family: address.includes(':') ? 6 : 4 }
}

/** node:https stands in for the transport. */
function altSvcOf(
  url: string,
  ca: string,
  { address, family }: ResolvedAddress,
  signal: AbortSignal,
): Promise<Finding<readonly ProbedAlternative[]>> {
  return new Promise(resolve => {
    const head = request(url, {
      method: 'HEAD',
      ca,
      signal,
      agent: false,
      lookup: (_host, options, callback) =>
        options.all === true ? callback(null, [{ address, family }]) : callback(null, address, family),
    })
    head.once('error', error => resolve({ fault: error.message }))
    head.once('response', response => {
      response.resume()
      const header = parseAltSvc(response.headers['alt-svc'] ?? '')
      const entries = header === undefined || header.clears ? [] : header.alternatives
      resolve({ found: entries.map(({ protocolId: protocol, ...rest }) => ({ protocol, ...rest })) })
    })
    head.end()
  })
}
