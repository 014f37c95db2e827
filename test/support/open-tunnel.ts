import type { Duplex } from 'node:stream'
import { parseOrigin } from '../../src/base/http/origin.ts'
import type { Transport } from '../../src/index.ts'

/**
 * The tunnel of an upgrade, and the status that came with it. Rejects when the answer is an ordinary one, or
 * none.
 */
export function openTunnel(
  transport: Transport,
  url: string,
  upgrade = 'echo',
): Promise<{ readonly status: number; readonly tunnel: Duplex }> {
  return new Promise((resolve, reject) => {
    transport.dispatch(
      parseOrigin(url),
      { method: 'GET', path: '/chat', headers: [], body: null, upgrade },
      {
        onRequestStart: () => {},
        onInformational: () => {},
        onResponseStart: (_controller, status) => reject(new Error(`status ${status}`)),
        onResponseData: () => {},
        onResponseEnd: () => {},
        onUpgrade: (_controller, status, _headers, tunnel) => resolve({ status, tunnel }),
        onResponseError: (_controller, error) => reject(error),
      },
    )
  })
}
