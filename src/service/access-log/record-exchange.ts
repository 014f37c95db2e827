import { headerValue } from '../../entry/dispatch.ts'
import type { EndedExchange } from '../forwarding/forwarded-exchange.ts'
import type { AccessRecord } from './access-record.ts'

/** What nginx logs for a client that went away before it got an answer; no server sends it. */
const CLIENT_CLOSED = 499

/** `origin` is what the configuration calls it, `timeMs` when the exchange ended. */
export function recordExchange(
  ended: EndedExchange,
  origin: string | undefined,
  timeMs: number,
): AccessRecord {
  const { client, handle, originProtocol, status, requestBytes, responseBytes, requestId } = ended
  return {
    timeMs,
    client: unmapped(client.remoteAddress),
    clientPort: client.remotePort,
    method: client.method,
    scheme: client.scheme,
    host: client.authority === '' ? undefined : client.authority,
    target: client.path === '' ? client.authority : client.path,
    protocol: PROTOCOL_NAMES[client.httpVersion] ?? `HTTP/${client.httpVersion}`,
    status: status === 0 ? CLIENT_CLOSED : status,
    requestBytes,
    responseBytes,
    requestId,
    route: ended.route,
    origin,
    originProtocol,
    lane: handle?.lane,
    connection: handle?.connection?.id,
    reused: handle?.connection === undefined ? undefined : handle.reused,
    earlyData: handle?.wasEarly,
    attempts: handle === undefined ? undefined : handle.retries + 1,
    connects: handle?.attempts.length,
    queueMs: handle?.queueMs,
    ttfbMs: handle?.ttfbMs,
    totalMs: ended.durationMs,
    error: ended.error?.code,
    ...sessionRecord(ended.session),
    // Credentials for this connector are for nobody who reads a log.
    header: name => (name === 'proxy-authorization' ? undefined : headerValue(client.headers, name)),
  }
}

const NO_SESSION = {
  session: undefined,
  sessionProtocol: undefined,
  closeCode: undefined,
  streams: undefined,
  datagrams: undefined,
  droppedDatagrams: undefined,
}

function sessionRecord(session: EndedExchange['session']) {
  if (session === undefined) return NO_SESSION
  const { result, protocol, closeCode, traffic } = session
  const { client, origin } = traffic
  const dropped = ({ unreadDatagrams, oversizedDatagrams }: typeof client) =>
    unreadDatagrams + oversizedDatagrams
  return {
    session: result,
    sessionProtocol: protocol === '' ? undefined : protocol,
    closeCode,
    streams: client.streams + origin.streams,
    datagrams: client.datagrams + origin.datagrams,
    droppedDatagrams: dropped(client) + dropped(origin),
  }
}

/** As nginx and Apache write them, for who reads their logs. */
const PROTOCOL_NAMES: Readonly<Record<string, string>> = { '2': 'HTTP/2.0', '3': 'HTTP/3.0' }

/** An IPv4 client of a dual-stack socket is `::ffff:192.0.2.1` in Node. */
function unmapped(address: string): string {
  return address.startsWith('::ffff:') && address.includes('.') ? address.slice(7) : address
}
