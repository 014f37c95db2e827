import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createCertificateAuthority } from '../../../src/testing/certificates.ts'
import { startQuickOrigin, type TestOrigin } from '../../../src/testing/origins.ts'
import { parsePrometheusText } from '../../support/prometheus-text.ts'
import { findBinary } from '../../support/require-binary.ts'
import { startConnector } from '../../support/start-connector.ts'
import { makeTemporaryDirectory } from '../../support/temporary-directory.ts'

// A disk of its own that can be filled: a file system in memory, which takes root.

const SIZE = 256 * 1024
const directory = makeTemporaryDirectory('full-disk')
const disk = join(directory.path, 'disk')
mkdirSync(disk)
const mounted =
  spawnSync(findBinary('mount') ?? 'mount', ['-t', 'tmpfs', '-o', `size=${SIZE}`, 'tmpfs', disk]).status === 0
let origin: TestOrigin
beforeAll(async () => {
  const tls = await (await createCertificateAuthority()).issue({ names: ['127.0.0.1', 'localhost'] })
  writeFileSync(join(directory.path, 'ca.pem'), tls.ca)
  origin = await startQuickOrigin({ tls })
})
afterAll(async () => {
  await origin.close()
  if (mounted) spawnSync(findBinary('umount') ?? 'umount', ['-l', disk])
  directory.remove()
})

/** Takes what is left. */
function fill(): void {
  for (let bytes = SIZE; bytes >= 1; bytes = Math.floor(bytes / 2)) {
    try {
      writeFileSync(join(disk, `ballast-${bytes}`), Buffer.alloc(bytes))
    } catch {
      // Less may fit.
    }
  }
}

describe.skipIf(!mounted)(
  `a service whose disk is full${mounted ? '' : ': skipped: mount needs root'}`,
  () => {
    it('goes on, counts what it could not write, and writes again when there is room', async () => {
      const accessLog = join(disk, 'access.log')
      await using connector = await startConnector({
        accessLog: { to: accessLog },
        state: { directory: join(disk, 'state') },
        qlog: { directory: join(disk, 'qlog') },
        origins: { quick: { url: origin.url, tls: { ca: join(directory.path, 'ca.pem') } } },
      })
      const ask = async (count: number): Promise<void> => {
        for (let asked = 0; asked < count; asked += 1) {
          const response = await fetch(connector.url)
          await response.text()
          expect(response.status).toBe(200)
        }
      }
      const dropped = async (): Promise<number> => {
        const page = await (await fetch(`${connector.adminUrl}/metrics`)).text()
        return parsePrometheusText(page).sum('middlemile_log_dropped_total', { to: 'access_log' })
      }
      const lines = (): number => readFileSync(accessLog, 'utf8').split('\n').length
      await ask(5)
      await expect.poll(() => existsSync(accessLog) && lines() > 1, { timeout: 20_000 }).toBe(true)
      fill()
      await expect
        .poll(
          async () => {
            await ask(20)
            return dropped()
          },
          { timeout: 30_000 },
        )
        .toBeGreaterThan(0)
      expect(await connector.service.reload()).toMatchObject({ ok: true })
      for (let bytes = SIZE; bytes >= 1; bytes = Math.floor(bytes / 2))
        rmSync(join(disk, `ballast-${bytes}`), { force: true })
      const before = lines()
      await expect
        .poll(
          async () => {
            await ask(5)
            return lines()
          },
          { timeout: 30_000 },
        )
        .toBeGreaterThan(before)
    })
  },
)
