import { spawnSync } from 'node:child_process'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { ConnectionClosed } from '../../../src/entry/events.ts'
import { createTransport, type Transport } from '../../../src/index.ts'
import { startHttp2Origin } from '../../../src/testing/http2-origin.ts'
import { startQuickOrigin } from '../../../src/testing/origins.ts'
import { enterNewNamespace, requireNamespaces, type Stay } from '../../support/network-namespace.ts'
import { findBinary } from '../../support/require-binary.ts'
import { until } from '../../support/until.ts'

const SERVER = '10.79.0.1'
/** What connections to the server come from, until it goes. */
const FLEETING = '10.79.0.9'
const CHECK_MS = 300

/** A machine with two addresses, in a network namespace of its own. */
describe.each(['http/1.1', 'h2'] as const)('a local address that vanishes under %s', protocol => {
  const missing = requireNamespaces()
  let stay: Stay | undefined
  let origin: { readonly url: string; requestsSeen(): number; close(): Promise<void> }
  let transport: Transport
  const closed: (ConnectionClosed & { at: number })[] = []

  beforeEach(async ctx => {
    ctx.skip(missing !== undefined, missing)
    closed.length = 0
    stay = enterNewNamespace()
    for (const address of [SERVER, FLEETING]) ip('addr', 'add', `${address}/32`, 'dev', 'lo')
    routeFrom(FLEETING)
    const settings = { address: SERVER }
    origin = await (protocol === 'h2' ? startHttp2Origin(settings) : startQuickOrigin(settings))
    transport = createTransport({
      defaults: { protocols: [protocol], endpoints: [SERVER] },
      resolver: { networkCheckMs: CHECK_MS },
      observer: event => {
        if (event.type === 'connection-closed') closed.push({ ...event, at: performance.now() })
      },
    })
  })
  afterEach(async () => {
    if (missing !== undefined) return
    await transport.close()
    await origin.close()
    stay?.[Symbol.dispose]()
  })

  /** What comes next comes from the other address. */
  const lose = (): void => {
    ip('addr', 'del', `${FLEETING}/32`, 'dev', 'lo')
    routeFrom(SERVER)
  }

  const get = async (path: string): Promise<{ status: number; reused: boolean }> => {
    const response = await transport.request(`${origin.url}${path}`)
    await response.dump()
    return { status: response.status, reused: response.info.reused }
  }

  it('ends an idle connection at the next look', async () => {
    await get('/')
    lose()
    await expect.poll(() => closed.length, { timeout: 5_000, interval: 10 }).toBe(1)
    expect(closed).toMatchObject([{ reason: 'address-gone', error: undefined }])
    expect(await get('/')).toEqual({ status: 200, reused: false })
  })

  it('ends one with a request at the look after that, and the request is sent again from another address', async () => {
    const answered = get('/slow?ms=3000')
    await until(() => origin.requestsSeen() === 1, 'the request is there')
    lose()
    const since = performance.now()
    expect(await answered).toEqual({ status: 200, reused: false })
    expect(closed).toMatchObject([{ reason: 'path-failed' }])
    expect(closed[0]!.at - since).toBeGreaterThanOrEqual(CHECK_MS - 50)
    expect(closed[0]!.at - since).toBeLessThan(3_000)
    expect(transport.stats().pools[0]).toMatchObject({ retries: 1, opened: { cleartext: 2 } })
  })

  it('does no harm when it is back at the look after that', async () => {
    const answered = get('/slow?ms=1500')
    await until(() => origin.requestsSeen() === 1, 'the request is there')
    lose()
    transport.networkChanged()
    ip('addr', 'add', `${FLEETING}/32`, 'dev', 'lo')
    expect(await answered).toEqual({ status: 200, reused: false })
    expect(closed).toMatchObject([{ reason: 'address-gone' }])
    expect(transport.stats().pools[0]).toMatchObject({ retries: 0, opened: { cleartext: 1 } })
  })
})

/** Connections to the server come from that address from now on. */
function routeFrom(address: string): void {
  ip('route', 'replace', 'local', `${SERVER}/32`, 'dev', 'lo', 'table', 'local', 'src', address)
}

function ip(...args: readonly string[]): void {
  const { status, stderr } = spawnSync(findBinary('ip') ?? 'ip', args, { encoding: 'utf8' })
  if (status !== 0) throw new Error(`ip ${args.join(' ')}: ${stderr}`)
}
