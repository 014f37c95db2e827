import { once } from 'node:events'
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { createTransport, type Transport } from '../../../src/index.ts'
import { LINK_ADDRESSES, type LossyLink, requireLossyLink, startLossyLink } from '../../support/lossy-link.ts'
import { requireNamespaces, type Stay } from '../../support/network-namespace.ts'
import { openTunnel } from '../../support/open-tunnel.ts'
import { requireNative } from '../../support/require-native.ts'

/** The shortest bound that TCP can be given: the kernel counts whole seconds. */
const LIVENESS = { intervalMs: 300, timeoutMs: 500 }
const BOUND_MS = 3_000
/** More than any buffer on the way holds. */
const BODY_BYTES = 24_000_000
/** What a process under load may be late. */
const SLACK_MS = 1_500

/** An origin that answers an upgrade, and reads nothing more of any request until it is woken. */
class SleepingOrigin {
  readonly #server: Server
  #client: Socket | undefined
  #isAwake = false
  #hasHead = false
  received = 0

  private constructor(server: Server) {
    this.#server = server
    server.on('connection', (socket: Socket) => {
      this.#client = socket
      socket.on('error', () => {}) // the client may do as it likes
      socket.on('data', (chunk: Buffer) => this.#onData(socket, chunk))
    })
  }

  static async start(address: string): Promise<SleepingOrigin> {
    const server = createServer({ highWaterMark: 16_384 }).listen(0, address)
    await once(server, 'listening')
    return new SleepingOrigin(server)
  }

  get url(): string {
    const { address, port } = this.#server.address() as AddressInfo // a server on a port has an AddressInfo
    return `http://${address}:${port}`
  }

  wake(): void {
    this.#isAwake = true
    this.#client?.resume()
  }

  close(): void {
    this.#client?.destroy()
    this.#server.close()
  }

  #onData(socket: Socket, chunk: Buffer): void {
    const text = this.#hasHead ? '' : chunk.toString('latin1')
    const headBytes = this.#hasHead ? 0 : text.indexOf('\r\n\r\n') + 4
    this.#hasHead = true
    this.received += chunk.length - headBytes
    if (text.includes('upgrade: raw'))
      socket.write('HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: raw\r\n\r\n')
    if (!this.#isAwake) socket.pause()
    if (this.received >= BODY_BYTES) socket.write('HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n')
  }
}

const transportTo = (): Transport =>
  createTransport({ defaults: { protocols: ['http/1.1'], liveness: LIVENESS } })

describe('a peer that takes nothing, and whose kernel answers', () => {
  it('stays connected past the bound under an upload, which goes on when it reads again', async () => {
    const origin = await SleepingOrigin.start('127.0.0.1')
    await using transport = transportTo()
    const answered = transport.request(`${origin.url}/`, { method: 'POST', body: Buffer.alloc(BODY_BYTES) })
    await sleep(2 * BOUND_MS)
    expect(origin.received).toBeLessThan(BODY_BYTES / 2)
    origin.wake()
    const response = await answered
    await response.dump()
    expect([response.status, origin.received]).toEqual([200, BODY_BYTES])
    expect(transport.stats().pools[0]).toMatchObject({ opened: { cleartext: 1 }, retries: 0, closed: {} })
    origin.close()
  })

  it('stays connected past the bound at the end of a tunnel', async () => {
    const origin = await SleepingOrigin.start('127.0.0.1')
    await using transport = transportTo()
    const { tunnel } = await openTunnel(transport, origin.url, 'raw')
    tunnel.write(Buffer.alloc(BODY_BYTES))
    await sleep(2 * BOUND_MS)
    expect([tunnel.destroyed, origin.received < BODY_BYTES / 2]).toEqual([false, true])
    origin.wake()
    await expect.poll(() => origin.received, { timeout: 10_000 }).toBe(BODY_BYTES)
    tunnel.destroy()
    origin.close()
  })
})

describe('a tunnel whose path dies', () => {
  const missing = requireLossyLink() ?? requireNamespaces() ?? requireNative()
  let link: LossyLink
  let stay: Stay
  let origin: SleepingOrigin
  let transport: Transport

  beforeEach(async ctx => {
    ctx.skip(missing !== undefined, missing)
    link = await startLossyLink(5)
    stay = link.enter('server')
    origin = await SleepingOrigin.start(LINK_ADDRESSES.server)
    stay[Symbol.dispose]()
    stay = link.enter('client')
    transport = transportTo()
  })
  afterEach(async () => {
    if (missing !== undefined) return
    await transport.close()
    stay[Symbol.dispose]()
    origin.close()
    await link[Symbol.asyncDispose]()
  })

  const silence = async (tunnel: Duplex): Promise<{ error: unknown; tookMs: number }> => {
    const failed = once(tunnel, 'error')
    await link.filter('all')
    const since = performance.now()
    tunnel.write('is anybody there?')
    const [error] = (await failed) as unknown[]
    return { error, tookMs: performance.now() - since }
  }

  it('is found within the bound when something is in flight', async () => {
    origin.wake()
    const { error, tookMs } = await silence((await openTunnel(transport, origin.url, 'raw')).tunnel)
    expect(error).toMatchObject({
      code: 'ETIMEDOUT',
      message: expect.stringContaining('acknowledged nothing'),
    })
    expect(tookMs).toBeGreaterThan(BOUND_MS * 0.7)
    expect(tookMs).toBeLessThan(BOUND_MS + SLACK_MS)
  })

  it('is found when its peer had taken nothing for long, within the bound and a pause between two probes', async () => {
    const { tunnel } = await openTunnel(transport, origin.url, 'raw')
    tunnel.write(Buffer.alloc(BODY_BYTES))
    await sleep(2 * BOUND_MS)
    expect(tunnel.destroyed).toBe(false)
    const { error, tookMs } = await silence(tunnel)
    expect(error).toMatchObject({ code: 'ETIMEDOUT' })
    expect(tookMs).toBeLessThan(BOUND_MS * 1.5 + SLACK_MS)
  })
})
