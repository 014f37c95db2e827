import { spawnSync } from 'node:child_process'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { MigrationReport } from '../../../src/base/events/migration-report.ts'
import { createTransport, type Transport } from '../../../src/index.ts'
import { type MovableServer, startOwnMovable } from '../../support/movable-servers.ts'
import { enterNewNamespace, requireNamespaces, type Stay } from '../../support/network-namespace.ts'
import { findBinary } from '../../support/require-binary.ts'
import { requireQuic } from '../../support/require-quic.ts'

const SERVER = '10.79.0.1'
/** Comes and goes. */
const FLEETING = '10.79.0.9'
const BYTES = 30_000_000

/** A machine with two addresses, in a network namespace of its own. */
describe('a local address that vanishes in the midst of a download', () => {
  const missing = requireNamespaces() ?? requireQuic()
  let stay: Stay | undefined
  let server: MovableServer
  const reports: MigrationReport[] = []

  beforeEach(async () => {
    if (missing !== undefined) return
    stay = enterNewNamespace()
    for (const address of [SERVER, FLEETING]) ip('addr', 'add', `${address}/32`, 'dev', 'lo')
    server = await startOwnMovable({ address: SERVER })
    reports.length = 0
  })
  afterEach(async () => {
    await server?.[Symbol.asyncDispose]()
    stay?.[Symbol.dispose]()
    stay = undefined
  })

  const transportOf = (networkCheckMs: number): Transport =>
    createTransport({
      defaults: { protocols: ['h3'], trusted: true, tls: { ca: server.ca }, endpoints: [SERVER] },
      resolver: { networkCheckMs },
      observer: event => {
        if (event.type === 'migration') reports.push(event.report)
      },
    })

  /** Moves a download to the address, and takes that away. */
  const loseAddress = async (transport: Transport, onLost: () => void): Promise<void> => {
    const url = `https://localhost:${server.port}`
    const response = await transport.request(`${url}/bytes/${BYTES}`)
    const [moved] = await transport.migrate(url, { address: FLEETING })
    expect(moved?.report).toMatchObject({ outcome: 'moved', to: { host: FLEETING } })
    let bytes = 0
    let isLost = false
    for await (const chunk of response.body) {
      bytes += (chunk as Buffer).length // no encoding was set
      if (isLost || bytes < BYTES / 5) continue
      isLost = true
      ip('addr', 'del', `${FLEETING}/32`, 'dev', 'lo')
      onLost()
    }
    expect(bytes).toBe(BYTES)
    const [pool] = transport.stats().pools
    expect(pool).toMatchObject({ opened: { full: 1, resumed: 0 }, retries: 0 })
  }

  it('is left at once when networkChanged() says so', async ctx => {
    ctx.skip(missing !== undefined, missing)
    await using transport = transportOf(0)
    await loseAddress(transport, () => transport.networkChanged())
    const gone = reports.filter(({ cause }) => cause === 'address-gone')
    expect(gone).toEqual([
      expect.objectContaining({
        outcome: 'moved',
        from: expect.objectContaining({ host: FLEETING }),
        to: expect.objectContaining({ host: SERVER }),
      }),
    ])
  })

  it('is noticed within resolver.networkCheckMs', async ctx => {
    ctx.skip(missing !== undefined, missing)
    await using transport = transportOf(50)
    await loseAddress(transport, () => {})
    expect(reports.at(-1)).toMatchObject({ outcome: 'moved', to: { host: SERVER } })
  })

  it('is left before that, by what the socket or the silence says', async ctx => {
    ctx.skip(missing !== undefined, missing)
    await using transport = transportOf(0)
    await loseAddress(transport, () => {})
    expect(reports.at(-1)).toMatchObject({ outcome: 'moved', to: { host: SERVER } })
  })
})

function ip(...args: readonly string[]): void {
  const { status, stderr } = spawnSync(findBinary('ip') ?? 'ip', args, { encoding: 'utf8' })
  if (status !== 0) throw new Error(`ip ${args.join(' ')}: ${stderr}`)
}
