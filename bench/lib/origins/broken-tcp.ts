import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Measurement } from '../../../src/bench/results/measurement.ts'
import { createTransport } from '../../../src/index.ts'
import { Gap } from '../clients/moved-transfer.ts'

/** A TCP relay whose connections can be made to lose everything; new ones work. */
interface MortalRelay extends AsyncDisposable {
  readonly port: number
  silence(): void
}

async function startMortalRelay(serverPort: number, delayMs: number): Promise<MortalRelay> {
  const sockets = new Set<Socket>()
  const silent = new Set<Socket>()
  const pass = (from: Socket, to: Socket): void => {
    sockets.add(from)
    from.setNoDelay(true)
    from.on('error', () => to.destroy())
    from.on('close', () => {
      sockets.delete(from)
      if (!silent.has(from)) to.destroy()
    })
    from.on('data', (chunk: Buffer) => {
      if (!silent.has(from)) void sleep(delayMs).then(() => to.write(chunk))
    })
  }
  const server = createServer(client => {
    const upstream = connect(serverPort, '127.0.0.1')
    pass(client, upstream)
    pass(upstream, client)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    port: (server.address() as AddressInfo).port, // a server on a port has an AddressInfo
    silence() {
      for (const socket of sockets) silent.add(socket)
    },
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy()
      server.close()
      await once(server, 'close')
    },
  }
}

/**
 * A download over HTTP/2 whose path turns silent: from the last byte until the first one of the same request
 * over a new connection, which whoever asked makes when the old one fails. With the defaults: it is the
 * HTTP/2 PING that finds it out, since a relay's kernel goes on to acknowledge.
 */
export async function measureBrokenTcp(
  origin: { readonly tlsPort: number; readonly ca: string },
  path: string,
  roundTripMs: number,
): Promise<Measurement> {
  await using relay = await startMortalRelay(origin.tlsPort, roundTripMs / 2)
  await using transport = createTransport({ defaults: { protocols: ['h2'], tls: { ca: origin.ca } } })
  const url = `https://localhost:${relay.port}${path}`
  const gap = new Gap()
  let bytes = 0
  const download = async (): Promise<void> => {
    const response = await transport.request(url)
    for await (const chunk of response.body) {
      gap.onBytes(performance.now())
      bytes += (chunk as Buffer).length // no encoding was set
      if (bytes < 4_000_000 || isSilent) continue
      isSilent = true
      gap.begin(performance.now())
      relay.silence()
    }
  }
  let isSilent = false
  let failures = 0
  for (let isDone = false; !isDone; ) {
    try {
      await download()
      isDone = true
    } catch (error) {
      if (++failures > 3) throw error
    }
  }
  return { gapMs: gap.longestMs, redials: failures, moves: 0 }
}
