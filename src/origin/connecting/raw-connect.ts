import type { Duplex } from 'node:stream'
import type { Clock } from '../../base/clock.ts'
import { TransportError } from '../../base/errors.ts'
import type { AttemptRecord } from '../../base/events/connection.ts'
import { formatEndpoint } from '../../base/http/endpoint.ts'
import type { Origin } from '../../base/http/origin.ts'
import type { Dialer } from '../../connect/tcp/dial.ts'
import { orderAddresses } from '../../connect/tcp/dial-race.ts'
import { SocketSettings } from '../../connect/tcp/socket-settings.ts'
import type { AddressResolver } from '../../dns/address-resolver.ts'
import { makeTunnel } from '../../http/http1/connection-tunnel.ts'
import type { OriginSettings } from '../origin-settings.ts'
import type { DialTurns } from './dial-turns.ts'

/**
 * A connection of TCP that no pool keeps, and what became of it on the way.
 *
 * @example
 * ```ts
 * const mail: RawConnection = await transport.connect({ host: 'mail.example', port: 25 })
 * mail.stream.once('data', greeting => console.log(mail.remoteAddress, String(greeting)))
 * ```
 */
export interface RawConnection {
  /** Its bytes. Each side ends by itself. Nobody else ends it: neither drain() nor close() do. */
  readonly stream: Duplex
  /** The address and port that answered. */
  readonly remoteAddress: string
  /** Looking up the name. Milliseconds. */
  readonly dnsMs: number
  /** Connecting, from the first attempt on. Milliseconds. */
  readonly connectMs: number
  /** What was tried, each with its reason. */
  readonly attempts: readonly AttemptRecord[]
}

interface RawConnectParts {
  readonly resolver: AddressResolver
  readonly dialer: Dialer
  readonly dialTurns: DialTurns
  readonly clock: Clock
}

/** `origin` stands for the place: what is spoken there is the caller's business. */
export async function connectRaw(
  { resolver, dialer, dialTurns, clock }: RawConnectParts,
  origin: Origin,
  settings: OriginSettings,
  signal: AbortSignal,
): Promise<RawConnection> {
  const { timeouts, tls, socket, endpoints, resolve: overrides } = settings
  if (settings.egress !== undefined)
    throw new TransportError('MM_INVALID_ARGUMENT', 'connect() goes directly: it takes no egress')
  const startedAt = clock.now()
  const { dnsMs } = timeouts
  const { addresses, source } = await resolver
    .forOrigin(origin, { endpoints, overrides, dnsMs })
    .resolve(origin.host, signal)
  const resolvedAt = clock.now()
  const because = `address from ${source}`
  const attempts = orderAddresses(addresses).map(({ address, family, port = origin.port }) => ({
    endpoint: { address, family, port, transport: 'tcp' as const },
    because,
  }))
  let made: readonly AttemptRecord[] = []
  const dialed = await dialTurns.run(origin.key, signal, () =>
    dialer.dial(
      {
        origin,
        attempts,
        alpnProtocols: ['http/1.1'],
        tls,
        timeouts,
        socket,
        settings: new SocketSettings(socket, () => {}),
        dnsMs: resolvedAt - startedAt,
        onAttempts: records => {
          made = records
        },
      },
      signal,
    ),
  )
  return {
    stream: makeTunnel(dialed.socket, dialed.readPort, dialed.readPort.takeEarly(), true),
    remoteAddress: formatEndpoint(dialed.endpoint),
    dnsMs: resolvedAt - startedAt,
    connectMs: clock.now() - resolvedAt,
    attempts: made,
  }
}
