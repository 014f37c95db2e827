import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { startHaproxyProcess } from '../../support/haproxy.ts'
import { startNginxProcess } from '../../support/nginx-process.ts'
import { startRealServer } from '../../support/real-server.ts'
import { requireBinary } from '../../support/require-binary.ts'
import { runTool } from '../../support/run-tool.ts'
import { startScriptedOrigin } from '../../support/scripted-origin.ts'
import { startConnector } from '../../support/start-connector.ts'
import { freePort } from '../../support/tcp-port.ts'
import { makeTemporaryDirectory } from '../../support/temporary-directory.ts'

// Debian's proxies as fronts over a Unix socket, where nothing but what they say names the client. haproxy
// sends the PROXY protocol; nginx does so in its stream module alone, which Debian packs by itself, and
// caddy from 2.7 on: these two say it in X-Forwarded-For.

interface Front {
  readonly listen: object
  readonly start: (directory: string, socket: string, port: number) => Promise<() => Promise<void>>
}

const haproxy = (option: string): Front => ({
  listen: { proxyProtocol: ['unix:'] },
  start: async (directory, socket, port) => {
    const config = `global
  noreuseport
defaults
  mode http
  timeout connect 5s
  timeout client 30s
  timeout server 30s
listen edge
  bind 127.0.0.1:${port}
  server us unix@${socket} ${option}
`
    const front = await startHaproxyProcess(directory, config, [port])
    return () => front.stop()
  },
})

const FRONTS: Readonly<Record<string, Front>> = {
  'haproxy, send-proxy': haproxy('send-proxy'),
  'haproxy, send-proxy-v2': haproxy('send-proxy-v2'),
  nginx: {
    listen: {},
    start: async (directory, socket, port) => {
      const http = `server {
        listen 127.0.0.1:${port};
        location / {
          proxy_http_version 1.1;
          proxy_set_header Host $host;
          proxy_set_header X-Forwarded-For $remote_addr;
          proxy_pass http://unix:${socket}:;
        }
      }`
      const front = await startNginxProcess({ directory, http, ports: [port] })
      return () => front.server.stop()
    },
  },
  caddy: {
    listen: {},
    start: async (directory, socket, port) => {
      const home = join(directory, 'home')
      const file = join(directory, 'Caddyfile')
      mkdirSync(home)
      writeFileSync(
        file,
        `{
	admin off
	auto_https off
}
http://:${port} {
	bind 127.0.0.1
	reverse_proxy unix/${socket}
}
`,
      )
      const front = await startRealServer({
        command: 'caddy',
        args: ['run', '--config', file, '--adapter', 'caddyfile'],
        env: { HOME: home, XDG_DATA_HOME: home, XDG_CONFIG_HOME: home },
        ports: [port],
      })
      return () => front.stop()
    },
  },
}

describe.each(Object.entries(FRONTS))('%s', (name, { listen, start }) => {
  const missing = requireBinary(name.split(',')[0] ?? name) ?? requireBinary('curl')

  it.skipIf(missing !== undefined)(
    'in front of a Unix socket passes on the address of its client',
    async () => {
      using directory = makeTemporaryDirectory('front')
      const asked: (string | undefined)[] = []
      await using origin = await startScriptedOrigin(({ socket, head }) => {
        asked.push(/\r\nx-forwarded-for: ([^\r]*)/i.exec(head)?.[1])
        socket.write('HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok')
      })
      const path = join(directory.path, 'us.sock')
      await using connector = await startConnector({
        listen: [{ unix: path, ...listen }],
        forwarding: { trustForwarded: ['unix:'] },
        accessLog: { to: join(directory.path, 'access.log'), format: '$client' },
        origins: { origin: { url: origin.url } },
      })
      const port = await freePort()
      const stop = await start(directory.path, path, port)
      try {
        const { output } = await runTool('curl', [
          '-s',
          '-S',
          '--interface',
          '127.0.0.9',
          `http://127.0.0.1:${port}/`,
        ])
        expect(output).toBe('ok')
        expect(asked).toHaveLength(1)
        expect(asked[0]?.split(', ')[0]).toBe('127.0.0.9')
      } finally {
        await stop()
      }
      await connector.service.close()
    },
  )
})
