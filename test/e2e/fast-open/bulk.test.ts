import { createHash } from 'node:crypto'
import { Readable } from 'node:stream'
import { describe, expect, it } from 'vitest'
import type { Protocol } from '../../../src/index.ts'
import { HUGE_BODY_BYTES } from '../../support/body-files.ts'
import { NGINX_EARLY } from '../../support/early-world.ts'
import { enterFastOpenNamespace, requireFastOpenNamespace } from '../../support/fast-open-namespace.ts'
import { type FastOpenWorld, fastOpenWorld } from '../../support/fast-open-world.ts'
import { type Nginx, startNginx } from '../../support/nginx.ts'
import { requireBinary } from '../../support/require-binary.ts'
import { until } from '../../support/until.ts'

/**
 * Large bodies over connections that were made with Fast Open, which Node reads by events and not into a
 * buffer of ours (see AttemptSocket).
 */

const missing = requireFastOpenNamespace() ?? requireBinary('nginx')
const MB = 1_048_576
const BODY_BYTES = 50 * MB
const PIECE_BYTES = 256 * 1024

/** A body whose pieces are made when they are asked for; no two are alike. */
function* pieces(): Generator<Buffer> {
  for (let at = 0; at < BODY_BYTES; at += PIECE_BYTES) {
    const piece = Buffer.alloc(PIECE_BYTES, at / PIECE_BYTES + 1)
    piece.writeUInt32BE(at)
    yield piece
  }
}

function expectedHash(): string {
  const hash = createHash('sha256')
  for (const piece of pieces()) hash.update(piece)
  return hash.digest('hex')
}

async function hashOf(body: Readable): Promise<string> {
  const hash = createHash('sha256')
  for await (const chunk of body) hash.update(chunk as Buffer) // as: no encoding was set
  return hash.digest('hex')
}

/** CPU time of this process in ms. */
async function cpuOf(work: () => Promise<void>): Promise<number> {
  const before = process.cpuUsage()
  await work()
  const { user, system } = process.cpuUsage(before)
  return (user + system) / 1000
}

describe.skipIf(missing !== undefined).each<Protocol>(['http/1.1', 'h2'])(
  `bodies over a connection made with Fast Open, by %s ${missing ?? ''}`,
  protocol => {
    /** The kernel has a cookie. `tfo` says whether the next connection uses it. */
    async function withWorld(
      tfo: 'on' | 'off',
      run: (world: FastOpenWorld, nginx: Nginx) => Promise<void>,
    ): Promise<void> {
      using _namespace = enterFastOpenNamespace(3)
      await using nginx = await startNginx({
        http2: true,
        tlsListen: 'fastopen=64',
        extraServer: NGINX_EARLY,
      })
      const target = { port: nginx.tlsPort, ca: nginx.certificates.ca, protocols: [protocol] }
      {
        await using giver = fastOpenWorld(target)
        await giver.ask('/204')
      }
      await using world = fastOpenWorld({ ...target, origin: { tfo, pool: { idleTimeoutMs: 5_000 } } })
      expect((await world.ask('/204')).info.tfo).toBe(tfo === 'on' ? 'used' : 'off')
      await run(world, nginx)
    }

    it('arrive whole, 50 MB in each direction', { timeout: 60_000 }, async () => {
      const whole = expectedHash()
      const cpuMs = { off: 0, on: 0 }
      // What the process has learned by the first favors neither.
      for (const tfo of ['off', 'on', 'on', 'off'] as const) {
        await withWorld(tfo, async ({ transport, url }) => {
          const round = async (): Promise<void> => {
            const upload = await transport.request(`${url}/upload/large`, {
              method: 'PUT',
              body: Readable.from(pieces(), { objectMode: false, highWaterMark: PIECE_BYTES }),
            })
            await upload.dump()
            expect([201, 204]).toContain(upload.status)
            const download = await transport.request(`${url}/upload/large`)
            expect(await hashOf(download.body)).toBe(whole)
            expect([upload.info.reused, download.info.reused]).toEqual([true, true])
          }
          await round() // what is compiled once
          cpuMs[tfo] += await cpuOf(round)
        })
      }
      const { on, off } = cpuMs
      const figures = `${Math.round(on / 2)} ms with Fast Open, ${Math.round(off / 2)} ms without`
      console.log(`CPU of 50 MB each way by ${protocol}: ${figures}`)
    })

    it('come as fast as they are read, and no faster', { timeout: 60_000 }, async () => {
      await withWorld('on', async ({ transport, url }) => {
        await (await transport.request(`${url}/10m`)).dump()
        const before = process.memoryUsage.rss()
        const response = await transport.request(`${url}/huge`)
        expect(Number(response.headers['content-length'])).toBe(HUGE_BODY_BYTES)
        await new Promise(resolve => setTimeout(resolve, 400)) // long enough for hundreds of MB
        let bytes = 0
        for await (const chunk of response.body) {
          bytes += (chunk as Buffer).length // as: no encoding was set
          if (bytes > 64 * MB) break
        }
        expect(process.memoryUsage.rss() - before).toBeLessThan(80 * MB)
      })
    })

    it('wait where the origin does not read', async () => {
      await withWorld('on', async ({ transport, url }, nginx) => {
        let made = 0
        const body = Readable.from(
          (function* () {
            for (;;) {
              made += PIECE_BYTES
              yield Buffer.alloc(PIECE_BYTES, 'u')
            }
          })(),
          { objectMode: false, highWaterMark: PIECE_BYTES },
        )
        const abort = new AbortController()
        const stuck = transport.request(`${url}/upload/never`, { method: 'PUT', body, signal: abort.signal })
        const refused = expect(stuck).rejects.toMatchObject({ name: 'AbortError' })
        await until(() => made > MB, 'the upload has begun')
        // Asleep: it reads no more.
        const asleep = nginx.server.processes()
        for (const { pid } of asleep) process.kill(pid, 'SIGSTOP')
        await new Promise(resolve => setTimeout(resolve, 300))
        const before = made
        await new Promise(resolve => setTimeout(resolve, 300))
        expect(made - before).toBeLessThan(8 * MB)
        for (const { pid } of asleep) process.kill(pid, 'SIGCONT')
        abort.abort()
        await refused
      })
    })
  },
)
