import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { type Caddy, startCaddy } from '../../support/caddy.ts'
import { requireBinary } from '../../support/require-binary.ts'
import { requireQuic } from '../../support/require-quic.ts'
import { runCli } from '../../support/spawn-cli.ts'
import { makeTemporaryDirectory, type TemporaryDirectory } from '../../support/temporary-directory.ts'

interface GetRecord {
  status: number
  protocol: string
  resumed: boolean
  earlyData: string
  attempts: { protocol: string; outcome: string }[]
  timingsMs: Record<string, number>
  error?: unknown
}

const missing = requireBinary('caddy') ?? requireQuic()

/** The command line against caddy (quic-go), whose certificate is checked. */
describe.skipIf(missing !== undefined)(
  `get over HTTP/3${missing === undefined ? '' : ` (${missing})`}`,
  () => {
    let caddy: Caddy
    let directory: TemporaryDirectory
    beforeAll(async () => {
      caddy = await startCaddy({ http3: true })
    })
    afterAll(() => caddy.stop())
    beforeEach(() => {
      directory = makeTemporaryDirectory('state')
      return () => directory.remove()
    })

    const run = async (...args: string[]) => {
      const common = ['get', '--json', '--ca', caddy.certificates.caFile, '--timeout-ms', '10000']
      const result = await runCli([...common, ...args, `${caddy.url}/hello`])
      const lines = result.stdout
        .trim()
        .split('\n')
        .map(line => JSON.parse(line) as GetRecord & { summary?: { handshakes: Record<string, number> } })
      return { ...result, records: lines.slice(0, -1) as GetRecord[], summary: lines.at(-1)?.summary }
    }
    const get = (...args: string[]) => run('--protocol', 'h3', ...args)
    const early = () => get('--early-data', '--state', join(directory.path, 'state'))

    it('speaks it, and prints what the handshake took', async () => {
      const { records, summary, exitCode, stderr } = await get('-n', '3')
      expect([exitCode, stderr]).toEqual([0, ''])
      expect(records.map(({ status, protocol, earlyData }) => [status, protocol, earlyData])).toEqual(
        Array.from({ length: 3 }, () => [200, 'h3', 'none']),
      )
      expect(records[0]).toMatchObject({ attempts: [{ protocol: 'h3', outcome: 'connected' }] })
      expect(records[0]!.timingsMs['tls']).toBeGreaterThan(0)
      expect(records[0]!.timingsMs['connect']).toBe(0)
      expect(summary).toMatchObject({
        newConnections: 1,
        handshakes: { full: 1, earlyData: 0 },
        byProtocol: { h3: 3 },
      })
    })

    it('sends its second request in early data', async () => {
      const first = await early()
      expect(first.records[0]).toMatchObject({ status: 200, resumed: false, earlyData: 'none' })
      expect(first.summary?.handshakes).toMatchObject({ full: 1, resumed: 0, earlyData: 0 })
      const { records, summary } = await early()
      expect(records[0]).toMatchObject({
        status: 200,
        resumed: true,
        earlyData: 'accepted',
        timingsMs: { tls: 0 },
      })
      expect(summary?.handshakes).toMatchObject({ full: 0, resumed: 0, earlyData: 1 })
    })

    it('keeps tickets of TCP too, and neither transport gets those of the other', async () => {
      const state = join(directory.path, 'state')
      const tcp = () => run('--protocol', 'http/1.1', '--state', state)
      expect((await tcp()).records[0]).toMatchObject({ protocol: 'http/1.1', resumed: false })
      expect((await get('--state', state)).records[0]).toMatchObject({ protocol: 'h3', resumed: false })
      expect((await tcp()).records[0]).toMatchObject({ protocol: 'http/1.1', resumed: true })
      expect((await get('--state', state)).records[0]).toMatchObject({ protocol: 'h3', resumed: true })
    })

    it('resumes without early data when nobody asks for it', async () => {
      await early()
      const { records, summary } = await get('--state', join(directory.path, 'state'))
      expect(records[0]).toMatchObject({ status: 200, resumed: true, earlyData: 'none' })
      expect(summary?.handshakes).toMatchObject({ full: 0, resumed: 1, earlyData: 0 })
    })

    it('does not send a request with a body early', async () => {
      await early()
      const { records } = await get('--early-data', '--state', join(directory.path, 'state'), '--data', 'x')
      expect(records[0]).toMatchObject({ resumed: true, earlyData: 'none' })
    })

    it('gets an answer all the same from a server that does not know the ticket any more', async () => {
      await early()
      await caddy.restart()
      const { records, summary, exitCode } = await early()
      expect(records[0]).toMatchObject({ status: 200, resumed: false, earlyData: 'rejected' })
      expect([exitCode, summary?.handshakes]).toEqual([0, { full: 1, resumed: 0, earlyData: 0, none: 0 }])
      expect((await early()).records[0]).toMatchObject({ status: 200, earlyData: 'accepted' })
    })

    it('keeps its state private, and starts anew with what another program has written into it', async () => {
      await early()
      const state = join(directory.path, 'state')
      const records = readdirSync(join(state, 'tickets')).map(name => join(state, 'tickets', name))
      const modes = [state, join(state, 'key'), ...records].map(path =>
        (statSync(path).mode & 0o777).toString(8),
      )
      expect(modes).toEqual(['700', '600', '600'])
      const [record = ''] = records
      const bytes = readFileSync(record)
      bytes[bytes.length - 1]! ^= 1
      writeFileSync(record, bytes)
      const { records: answers, stderr, exitCode } = await early()
      expect(answers[0]).toMatchObject({ status: 200, resumed: false, earlyData: 'none' })
      expect([exitCode, stderr]).toEqual([0, expect.stringMatching(/warning: .*not ours/)])
      expect((await early()).records[0]).toMatchObject({ earlyData: 'accepted' })
    })

    it('writes the secrets of QUIC into the keylog', async () => {
      const file = join(directory.path, 'keys')
      await get('--keylog', file)
      expect(readFileSync(file, 'utf8')).toMatch(/^CLIENT_HANDSHAKE_TRAFFIC_SECRET [0-9a-f]{64} [0-9a-f]+$/m)
    })
  },
)
