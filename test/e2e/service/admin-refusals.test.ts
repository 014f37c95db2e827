import { Server } from 'node:net'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { talkUntilClosed } from '../../support/raw-client.ts'
import { startConnector, type TestConnector } from '../../support/start-connector.ts'

/** Nothing listens there, and nothing is asked of it. */
const ORIGINS = { shop: { url: 'http://127.0.0.1:9', hosts: ['shop.test'] } }

let connector: TestConnector
beforeAll(async () => {
  connector = await startConnector({ origins: ORIGINS })
})
afterAll(() => connector[Symbol.asyncDispose]())

const admin = (path: string, init: RequestInit = {}): Promise<Response> =>
  fetch(`${connector.adminUrl}${path}`, init)

describe('the admin server refuses', () => {
  it.for([
    ['GET', '/absent', 404, null],
    ['GET', '/origins/shop', 404, null],
    ['POST', '/metrics', 405, 'GET, HEAD'],
    ['DELETE', '/pools', 405, 'GET, HEAD'],
    ['GET', '/drain', 405, 'POST'],
    ['GET', '/reload', 405, 'POST'],
  ] as const)('%s %s with %i', async ([method, path, status, allow]) => {
    const answer = await admin(path, { method })
    expect([answer.status, answer.headers.get('allow')]).toEqual([status, allow])
    expect((await admin('/readyz')).status).toBe(200)
  })

  it('a POST that the page of another site makes', async () => {
    const answer = await admin('/drain', { method: 'POST', headers: { 'sec-fetch-site': 'cross-site' } })
    expect([answer.status, (await admin('/readyz')).status]).toEqual([403, 200])
  })

  it.for([
    ['POST /drain', 'Host: connector.example\r\nOrigin: http://evil.example', 403],
    ['POST /drain', 'Host: evil.example\r\nOrigin: http://evil.example', 403],
    ['GET /pools', 'Host: evil.example', 403],
    ['GET /metrics', 'Host: connector.example', 200],
    ['GET //', 'Host: 127.0.0.1', 404],
    ['GET //pools', 'Host: 127.0.0.1', 404],
    ['GET http://a:99999/', 'Host: 127.0.0.1', 400],
  ] as const)('%s with %j by %i', async ([request, fields, status]) => {
    const text = `${request} HTTP/1.1\r\n${fields}\r\nConnection: close\r\n\r\n`
    const answer = await talkUntilClosed(connector.service.adminAddress?.port ?? 0, text)
    expect([answer.slice(9, 12), (await admin('/readyz')).status]).toEqual([String(status), 200])
  })

  it('to end the process when it cannot accept', async () => {
    const listens = vi.spyOn(Server.prototype, 'listen')
    await using other = await startConnector({ origins: ORIGINS })
    const servers = listens.mock.contexts.filter(server => server instanceof Server)
    listens.mockRestore()
    expect(servers.length).toBe(2)
    // Without a listener each of these would be thrown out of the event loop.
    for (const server of servers)
      for (let failures = 0; failures < 2; failures++) server.emit('error', new Error('accept EMFILE'))
    expect((await fetch(`${other.adminUrl}/readyz`)).status).toBe(200)
  })

  it('to answer on the address of a listener', async () => {
    expect((await fetch(`${connector.url}/metrics`)).status).toBe(404)
  })
})
