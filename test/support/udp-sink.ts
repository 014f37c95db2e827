import { openUdpSocket } from './udp-port.ts'

/** A UDP port on 127.0.0.1 that takes every datagram and says nothing: a firewall that swallows. */
export interface UdpSink extends AsyncDisposable {
  readonly port: number
  /** Datagrams so far. */
  readonly received: number
}

/** Default port: one that the system chooses. */
export async function startUdpSink(port = 0): Promise<UdpSink> {
  const socket = await openUdpSocket(port)
  let received = 0
  socket.on('message', () => {
    received++
  })
  return {
    port: socket.address().port,
    get received() {
      return received
    },
    [Symbol.asyncDispose]: () =>
      new Promise<void>(resolve => {
        socket.close(() => resolve())
      }),
  }
}
