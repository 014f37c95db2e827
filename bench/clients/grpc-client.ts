import { Client, credentials, Metadata } from '@grpc/grpc-js'
import { refuseSetting, whereTo } from '../../src/bench/clients/client-settings.ts'
import type { BenchClient, ClientSetting } from '../../src/bench/load/bench-client.ts'

/** Before each message (gRPC over HTTP/2, Length-Prefixed-Message). */
const PREFIX_BYTES = 5

/**
 * The client of gRPC that is written in JavaScript, over node:http2: unary calls of as many bytes as a
 * request uploads, prefix included.
 */
export async function grpcClient(setting: ClientSetting): Promise<BenchClient> {
  refuseSetting('grpc-js', setting, ['h2'])
  const [url = ''] = setting.origins
  const { host, hostname } = new URL(url)
  const to = whereTo(url, setting)
  const client = new Client(
    to === undefined ? host : `${to.host}:${to.port}`,
    credentials.createSsl(setting.ca === undefined ? null : Buffer.from(setting.ca)),
    { 'grpc.default_authority': host, 'grpc.ssl_target_name_override': hostname },
  )
  return {
    send({ path, uploadBytes = 0 }, _origin, watch) {
      const message = Buffer.alloc(Math.max(0, uploadBytes - PREFIX_BYTES))
      const call = client.makeUnaryRequest(
        path,
        asItIs,
        asItIs,
        message,
        new Metadata(),
        {},
        (error, answer) => {
          const bytes = answer === undefined ? 0 : answer.length + PREFIX_BYTES
          watch.onEnd({
            status: error === null ? 200 : 0,
            bytes,
            protocol: 'h2',
            ...(error !== null && { error }),
          })
        },
      )
      call.once('metadata', () => watch.onHead())
    },
    facts: () => ({}),
    close() {
      client.close()
      return Promise.resolve()
    },
  }
}

function asItIs(message: Buffer): Buffer {
  return message
}
