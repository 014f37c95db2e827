import type { Clock } from '../../base/clock.ts'
import type { ConnectionListener } from '../../base/events/connection.ts'
import { http3Connection } from '../../http/http3/connection.ts'
import type { MultiplexedConnection } from '../../http/multiplex/connection.ts'
import type { Http3Dialed } from '../connecting/http3-dialer.ts'
import type { OriginSettings } from '../origin-settings.ts'

/** SETTINGS come with the last flight of the handshake, or right behind it. */
const SETTINGS_MS = 500

/**
 * The drafts of WebTransport that the SETTINGS of a server name, over a link that was dialed for the
 * question: it is closed then. Undefined: they have not come in time.
 */
export function webTransportOffer(
  { link, endpoint, handshake }: Http3Dialed,
  { limits, http3, quic }: Pick<OriginSettings, 'limits' | 'http3' | 'quic'>,
  clock: Clock,
): Promise<readonly string[] | undefined> {
  return new Promise(resolve => {
    let connection: MultiplexedConnection | undefined
    const end = (): void => {
      timer.cancel()
      const drafts = connection?.webTransportDrafts
      connection?.close('shutdown')
      resolve(drafts)
    }
    const timer = clock.setTimer(SETTINGS_MS, end)
    const listener: ConnectionListener = {
      onCapacityChanged: () => {
        if (connection?.webTransportDrafts !== undefined) end()
      },
      onStreamClosed() {},
      onDraining() {},
      onClosed: end,
    }
    connection = http3Connection({ id: 0, link, endpoint, handshake, listener, limits, http3, quic, clock })
  })
}
