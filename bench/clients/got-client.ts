import { Agent } from 'node:https'
import type { LookupFunction } from 'node:net'
import { got, type Request } from 'got'
import { refuseSetting, whereTo } from '../../src/bench/clients/client-settings.ts'
import { bodyStream, headersOf } from '../../src/bench/clients/made-body.ts'
import type { BenchClient, ClientSetting, RequestWatch } from '../../src/bench/load/bench-client.ts'

/**
 * got with HTTP/1.1, through its stream: the shortest way that it has. It neither retries nor decompresses
 * nor follows here, as nobody else does.
 */
export async function gotClient(setting: ClientSetting): Promise<BenchClient> {
  refuseSetting('got', setting, ['http/1.1'])
  const { ca, connections } = setting
  const agent = new Agent({
    keepAlive: true,
    ...(connections > 0 && { maxSockets: connections }),
  })
  const client = got.extend({
    agent: { https: agent },
    dnsLookup: lookupFor(setting) as never, // got asks for the types of a package that it does not bring
    ...(ca !== undefined && { https: { certificateAuthority: ca } }),
    decompress: false,
    followRedirect: false,
    throwHttpErrors: false,
    retry: { limit: 0 },
  })
  return {
    send(request, origin, watch) {
      const url = `${setting.origins[origin % setting.origins.length]}${request.path}`
      const body = bodyStream(request)
      const stream = client.stream(url, {
        method: request.method as 'GET' | 'POST', // methods are what scenarios write
        headers: recordOf(headersOf(request)),
        ...(body !== undefined && { body }),
      })
      watchStream(stream, watch)
    },
    facts: () => ({}),
    close() {
      agent.destroy()
      return Promise.resolve()
    },
  }
}

function watchStream(stream: Request, watch: RequestWatch): void {
  let status = 0
  let bytes = 0
  let hasEnded = false
  const end = (error?: Error): void => {
    if (hasEnded) return
    hasEnded = true
    watch.onEnd({ status, bytes, error, protocol: 'http/1.1' })
  }
  stream.on('response', ({ statusCode }: { statusCode: number }) => {
    status = statusCode
    watch.onHead()
  })
  stream.on('data', (chunk: Buffer) => {
    bytes += chunk.length
  })
  stream.once('end', () => end())
  stream.once('error', end)
}

function recordOf(headers: readonly string[]): Record<string, string> {
  const record: Record<string, string> = {}
  for (let i = 0; i + 1 < headers.length; i += 2) record[headers[i] ?? ''] = headers[i + 1] ?? ''
  return record
}

/** A look-up knows no port: all ports of a host lead to one address here. */
function lookupFor(setting: ClientSetting): LookupFunction {
  const addresses = new Map(
    setting.origins.map(origin => [new URL(origin).hostname, whereTo(origin, setting)?.host]),
  )
  return (hostname, options, callback) => {
    const address = addresses.get(hostname) ?? hostname
    if (options.all === true) callback(null, [{ address, family: 4 }])
    else callback(null, address, 4)
  }
}
