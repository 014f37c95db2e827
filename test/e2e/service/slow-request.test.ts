import { once } from 'node:events'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import { expect, it } from 'vitest'
import { startConnector } from '../../support/start-connector.ts'
import { until } from '../../support/until.ts'

it('the log gives a request that took long a line with the try that failed before, and a quick one none', async () => {
  const sockets: Socket[] = []
  // The first connection answers one request, and is closed when it brings the next; the second one thinks
  // for longer than the bound.
  const origin = createServer(socket => {
    const number = sockets.push(socket)
    let requests = 0
    socket
      .on('error', () => {})
      .on('data', () => {
        requests++
        const answer = (): boolean => socket.write('HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok')
        if (number === 1 && requests === 1) answer()
        else if (number === 1) socket.destroy()
        else setTimeout(answer, 5_100)
      })
  })
  origin.listen(0, '127.0.0.1')
  await once(origin, 'listening')
  const { port } = origin.address() as AddressInfo // it listens on a port
  await using connector = await startConnector({
    log: { level: 'warn', slowRequest: '5s' },
    origins: { shop: { url: `http://127.0.0.1:${port}`, protocols: ['http/1.1'] } },
  })
  for (const path of ['/quick', '/slow?token=secret'])
    expect(await (await fetch(`${connector.url}${path}`)).text()).toBe('ok')
  await until(() => connector.log.length > 0, 'the line of the slow request')
  expect(connector.log).toHaveLength(1)
  expect(connector.log[0]).toMatch(
    /warn {2}shop GET \/slow: slow request: 200 after .*; sent again 1 time: stale-connection after \S+ on http\/1\.1#\d+ \(MM_CONNECTION_(CLOSED|RESET)\)$/,
  )
  for (const socket of sockets) socket.destroy()
  origin.close()
})
