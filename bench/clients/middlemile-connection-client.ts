import { once } from 'node:events'
import { connect } from 'node:tls'
import { systemClock } from '../../src/base/clock.ts'
import { DEFAULT_RESPONSE_LIMITS } from '../../src/base/options/options.ts'
import { DEFAULT_HTTP2_OPTIONS } from '../../src/base/options/protocol-options.ts'
import { ReadPort } from '../../src/base/socket/read-port.ts'
import { http2Connection } from '../../src/http/http2/connection.ts'
import type { BenchClient, ClientSetting } from './client-job.ts'
import { DEAF, drivenConnection, UNTOLD_HANDSHAKE } from './driven-connection.ts'

/**
 * One HTTP/2 connection of ours, driven directly: what the transport and its pool cost is the difference to
 * `middlemile h2`. There is no such door outside, so this is compiled from the source instead of taken from
 * the build.
 */
export async function middlemileConnection({ origin, ca }: ClientSetting): Promise<BenchClient> {
  const { hostname, port, host } = new URL(origin)
  const readPort = new ReadPort()
  const target = { host: hostname, port: Number(port), onread: readPort.onread }
  // tls.connect passes `onread` on to the socket that it makes; its types do not say so for options written
  // in place.
  const socket = connect({ ...target, ca, ALPNProtocols: ['h2'] })
  await once(socket, 'secureConnect')
  if (socket.alpnProtocol !== 'h2') throw new Error(`the origin chose ${socket.alpnProtocol}`)
  socket.setNoDelay(true)
  const connection = http2Connection({
    id: 1,
    socket,
    port: readPort,
    endpoint: { address: hostname, family: 4, port: Number(port), transport: 'tcp' },
    handshake: UNTOLD_HANDSHAKE,
    listener: DEAF,
    limits: DEFAULT_RESPONSE_LIMITS,
    http2: DEFAULT_HTTP2_OPTIONS,
    clock: systemClock,
  })
  return drivenConnection(connection, host)
}
