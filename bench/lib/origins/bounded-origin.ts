import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import type { ServerResponse } from 'node:http'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import type { CertificateFiles } from '../../../test/support/certificate-files.ts'

export interface BoundedOrigin extends AsyncDisposable {
  readonly port: number
}

/** Serves so many requests at a time over TLS, each for so long; the others wait in it. */
export async function startBoundedOrigin(
  slots: number,
  serviceMs: number,
  { certFile, keyFile }: CertificateFiles,
): Promise<BoundedOrigin> {
  const waiting = new Set<ServerResponse>()
  let busy = 0
  const serve = (response: ServerResponse): void => {
    busy++
    setTimeout(() => {
      busy--
      response.end('done')
      for (const next of waiting) {
        waiting.delete(next)
        serve(next)
        return
      }
    }, serviceMs)
  }
  const identity = { cert: readFileSync(certFile), key: readFileSync(keyFile) }
  const server = createServer({ ...identity, keepAliveTimeout: 300_000 }, (_request, response) => {
    response.once('close', () => waiting.delete(response))
    if (busy < slots) serve(response)
    else waiting.add(response)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    port: (server.address() as AddressInfo).port, // listening on a port, not on a path
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
}
