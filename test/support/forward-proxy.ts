import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { join } from 'node:path'
import { onTestFinished } from 'vitest'
import type { ServiceConfig } from '../../src/service/index.ts'
import { parsePrometheusText } from './prometheus-text.ts'
import { startConnector, type TestConnector } from './start-connector.ts'
import { makeTemporaryDirectory } from './temporary-directory.ts'

type RouteConfig = NonNullable<ServiceConfig['routes']>[number]
export type ForwardConfig = NonNullable<RouteConfig['forward']>

/** A connector with one route, `out`, that lets clients onto loopback. */
export function startForwardProxy(
  forward: ForwardConfig,
  config: Partial<ServiceConfig> = {},
): Promise<TestConnector> {
  const allowPrivate = ['127.0.0.0/8', '::1/128']
  return startConnector({ routes: [{ name: 'out', forward: { allowPrivate, ...forward } }], ...config })
}

/** What is waited for once an answer has begun; one that ends its connection takes less. */
const QUIET_MS = 300

/** Sends one request as it stands, and reads until the other side ends, or says no more. */
export async function raw(port: number, text: string): Promise<string> {
  const socket = connect(port, '127.0.0.1')
  socket.write(text)
  let answer = ''
  await new Promise<void>(resolve => {
    socket.once('close', resolve)
    socket.on('data', chunk => {
      answer += String(chunk)
      socket.setTimeout(QUIET_MS, resolve)
    })
  })
  socket.destroy()
  return answer
}

/** A client of HTTP/1.1 whose tunnel stands. */
export async function openTunnel(port: number, authority: string): Promise<Socket> {
  const socket = connect(port, '127.0.0.1')
  socket.write(`CONNECT ${authority} HTTP/1.1\r\nHost: ${authority}\r\n\r\n`)
  const [head] = (await once(socket, 'data')) as [Buffer]
  if (String(head) !== 'HTTP/1.1 200 OK\r\n\r\n') throw new Error(`no tunnel: ${String(head)}`)
  return socket
}

/** The sum over the samples of a metric. */
export async function metric(
  proxy: TestConnector,
  name: string,
  labels: Record<string, string> = {},
): Promise<number> {
  const text = await (await fetch(`${proxy.adminUrl}/metrics`)).text()
  return parsePrometheusText(text).sum(name, labels)
}

/** Where a connector of this test writes its access log. */
export function accessLogFile(): { readonly file: string; readonly read: () => string } {
  const directory = makeTemporaryDirectory('access-log')
  onTestFinished(() => directory.remove())
  const file = join(directory.path, 'access.log')
  return { file, read: () => readFileSync(file, 'utf8') }
}
