import { readdirSync, readFileSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import { createTransport, type TransportOptions } from '../../../src/index.ts'
import { MACHINE_IS_SHARED, overheadOf, timeOf } from '../../support/overhead.ts'
import { startRelayedCaddy } from '../../support/relayed-caddy.ts'
import { requireBinary } from '../../support/require-binary.ts'
import { requireQuic } from '../../support/require-quic.ts'
import { SelectionLog } from '../../support/selection-log.ts'
import { makeTemporaryDirectory } from '../../support/temporary-directory.ts'
import { untilOverHttp3 } from '../../support/until-over-http3.ts'

const missing = requireBinary('caddy') ?? requireQuic()

/** Gets to know the origin well, over as many requests as that takes, and writes down what was learned. */
async function learn(options: TransportOptions, url: string): Promise<void> {
  const log = new SelectionLog()
  await using transport = createTransport({ ...options, observer: log.observer })
  await untilOverHttp3(transport, url, log)
}

function recordFiles(directory: string): string[] {
  const files = readdirSync(directory, { recursive: true, encoding: 'utf8', withFileTypes: true })
  return files
    .filter(file => file.isFile())
    .map(file => join(file.parentPath, file.name))
    .filter(path => path.includes('origin'))
}

describe.skipIf(missing !== undefined)(
  `what is remembered of an origin${missing === undefined ? '' : ` (${missing})`}`,
  MACHINE_IS_SHARED,
  () => {
    it('lets HTTP/3 go first in another process’ first request', async () => {
      await using caddy = await startRelayedCaddy({ tcpDelayMs: 20 })
      using directory = makeTemporaryDirectory('select')
      const url = `${caddy.url}/hello`
      const options: TransportOptions = {
        defaults: { tls: { ca: caddy.ca } },
        state: { directory: directory.path },
      }
      await learn(options, url)
      const overhead = await overheadOf({
        url,
        options,
        after: (_, log) => {
          const [race, ...others] = log.of('race-ended')
          expect([race?.winner, others]).toEqual(['h3', []])
          expect(race?.race[0]).toMatchObject({ lane: 'h3', event: 'started', atMs: 0 })
          expect(log.lanes[0]).toBe('h3')
          expect(log.of('state-fault')).toEqual([])
        },
      })
      expect(overhead.firstMs).toBeLessThan(0)
    })

    it.each<[string, (path: string) => void]>([
      ['truncated', path => truncateSync(path, Math.floor(readFileSync(path).length / 2))],
      ['empty', path => truncateSync(path, 0)],
      ['garbage', path => writeFileSync(path, Buffer.alloc(5_000, 0xa7))],
      ['other JSON', path => writeFileSync(path, '{"version":1e999,"records":[[[[]]]]}')],
    ])('and is %s is reported, and learned anew', async (_, spoil) => {
      await using caddy = await startRelayedCaddy({ tcpDelayMs: 5 })
      using directory = makeTemporaryDirectory('select')
      const url = `${caddy.url}/hello`
      const options: TransportOptions = {
        defaults: { tls: { ca: caddy.ca } },
        state: { directory: directory.path },
      }
      await learn(options, url)
      const files = recordFiles(directory.path)
      expect(files).not.toEqual([])
      for (const path of files) spoil(path)
      const log = new SelectionLog()
      {
        await using transport = createTransport({ ...options, observer: log.observer })
        for (let request = 0; request < 5; request++) await timeOf(transport, url)
        expect(log.of('state-fault').map(({ message }) => message)).not.toEqual([])
        expect(log.lanes[0]).toBe('tcp')
        expect(log.of('race-ended')).toEqual([])
        expect(log.statuses[0]).toBe('pending')
      }
      await learn(options, url)
      const next = new SelectionLog()
      await using transport = createTransport({ ...options, observer: next.observer })
      await timeOf(transport, url)
      expect(next.of('state-fault')).toEqual([])
      expect(next.lanes).toEqual(['h3'])
    })

    it('lets requests leave in early data, but not where HTTP/3 has failed since', async () => {
      await using caddy = await startRelayedCaddy({ tcpDelayMs: 20 })
      using directory = makeTemporaryDirectory('select')
      const url = `${caddy.url}/hello`
      const options: TransportOptions = {
        defaults: {
          tls: { ca: caddy.ca },
          earlyData: 'safe',
          timeouts: { connectMs: 400 },
          pool: { idleTimeoutMs: 60 },
          select: { brokenBaseMs: 1 },
        },
        state: { directory: directory.path },
      }
      await learn(options, url)
      const log = new SelectionLog()
      await using transport = createTransport({ ...options, observer: log.observer })
      const untilIdle = () => expect.poll(() => transport.stats().totalConnections).toBe(0)
      for (let round = 0; round < 2; round++) {
        await timeOf(transport, url)
        await untilIdle()
      }
      expect(log.of('early-data').map(({ outcome }) => outcome)).toEqual(['accepted', 'accepted'])
      // It breaks under a request.
      await timeOf(transport, url)
      caddy.udp.isBlackHole = true
      await timeOf(transport, url)
      // It is left alone for a millisecond only.
      expect(['broken', 'failedRecently']).toContain(log.statuses.at(-1))
      await untilIdle()
      await sleep(600) // for a trial in the background
      caddy.udp.isBlackHole = false
      log.clear()
      await timeOf(transport, url)
      expect(log.of('early-data')).toEqual([])
      await expect.poll(() => log.statuses.at(-1)).toBe('confirmed')
      await timeOf(transport, url)
      expect(log.of('exchange-ended').map(({ earlyData }) => earlyData)).toEqual(['none', 'none'])
    })
  },
)
