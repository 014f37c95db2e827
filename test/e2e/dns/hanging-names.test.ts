import { readFile } from 'node:fs/promises'
import { afterEach, describe, expect, it } from 'vitest'
import { createTransport, type Transport, type TransportOptions } from '../../../src/index.ts'
import { dnsServers, errorOf, silent } from '../../support/dns-asking.ts'
import { type Answering, fromZone } from '../../support/dns-server.ts'
import { a, wireReply } from '../../support/dns-wire.ts'
import { startHttpServer } from '../../support/http-server.ts'

const { serve, end } = dnsServers()
afterEach(end)

const ZONE = fromZone([a('healthy.example', '127.0.0.1', 60)])
/** More than libuv has threads. */
const HANGING = Array.from({ length: 12 }, (_, index) => `hanging${index}.example`)
const someHang: Answering = asked => (asked.name.startsWith('hanging') ? undefined : ZONE(asked))

/** An origin that closes each connection, so that each request looks its name up. */
async function setUp(answering: Answering, resolver: TransportOptions['resolver'] = {}) {
  const origin = await startHttpServer((_, response) => {
    response.writeHead(200, { connection: 'close' }).end('hello')
  })
  const server = await serve(answering)
  const transport = createTransport({ dnsServers: [server.address], resolver })
  const port = new URL(origin.url).port
  return {
    server,
    transport,
    url: (host: string) => `http://${host}:${port}/`,
    [Symbol.asyncDispose]: async () => {
      await transport.close()
      await origin[Symbol.asyncDispose]()
    },
  }
}

async function statusOf(transport: Transport, url: string): Promise<number> {
  const { status, body } = await transport.request(url)
  body.resume()
  return status
}

describe('names that nobody answers for', () => {
  it('hold up neither other origins nor files', async () => {
    await using world = await setUp(someHang)
    const { transport, url } = world
    const ended: string[] = []
    const hanging = HANGING.map(async host => {
      const error = await errorOf(transport.request(url(host)))
      ended.push(host)
      return error
    })
    await expect.poll(() => world.server.asked.length).toBeGreaterThanOrEqual(HANGING.length * 2)
    expect(await statusOf(transport, url('healthy.example'))).toBe(200)
    await readFile(import.meta.filename)
    expect(ended).toEqual([])
    const errors = await Promise.all(hanging)
    expect(new Set(errors.map(({ code }) => code))).toEqual(new Set(['MM_DNS_TIMEOUT']))
    expect(errors[0]?.message).toContain('hanging0.example')
  }, 30_000)

  it('say which server did not answer when the query has a shorter time than the request', async () => {
    await using world = await setUp(silent, { dnsQueryMs: 50 })
    const error = await errorOf(world.transport.request(world.url('hanging.example')))
    expect(error.code).toBe('MM_DNS_TIMEOUT')
    expect(error.message).toMatch(
      /^hanging\.example \(A+\) was not answered within 50 ms, by 127\.0\.0\.1:\d+$/,
    )
  })
})

describe('stale answers', () => {
  it('carry an origin on when the DNS falls silent', async () => {
    let isSilent = false
    await using world = await setUp(asked => (isSilent ? undefined : ZONE(asked)), {
      dnsCacheMs: 0,
      dnsStaleAnswerMs: 20,
    })
    const { transport, url } = world
    expect(await statusOf(transport, url('healthy.example'))).toBe(200)
    isSilent = true
    expect(await statusOf(transport, url('healthy.example'))).toBe(200)
    expect(transport.stats().resolver).toMatchObject({ stale: 1 })
  })

  it('end when the DNS says that there is no such name', async () => {
    let isGone = false
    await using world = await setUp(asked => (isGone ? wireReply(asked.query, { rcode: 3 }) : ZONE(asked)), {
      dnsCacheMs: 0,
    })
    const { transport, url } = world
    expect(await statusOf(transport, url('healthy.example'))).toBe(200)
    isGone = true
    const error = await errorOf(transport.request(url('healthy.example')))
    expect([error.code, error.message]).toEqual(['MM_DNS_FAILED', 'healthy.example does not exist'])
  })

  it('are used at once when the servers refuse to answer', async () => {
    let isRefusing = false
    await using world = await setUp(
      asked => (isRefusing ? wireReply(asked.query, { rcode: 5 }) : ZONE(asked)),
      { dnsCacheMs: 0, dnsStaleAnswerMs: 60_000 },
    )
    const { transport, url } = world
    expect(await statusOf(transport, url('healthy.example'))).toBe(200)
    isRefusing = true
    expect(await statusOf(transport, url('healthy.example'))).toBe(200)
    expect(transport.stats().resolver).toMatchObject({ failed: 1, stale: 1 })
  })
})
