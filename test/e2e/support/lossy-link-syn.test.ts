import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { echoWithFastOpen, type FastOpenEcho, startFastOpenEcho } from '../../support/fast-open-echo.ts'
import {
  LINK_ADDRESSES,
  type LossyLink,
  requireLossyLink,
  type SynCounts,
  startLossyLink,
} from '../../support/lossy-link.ts'
import { requireNamespaces, type Stay } from '../../support/network-namespace.ts'
import { addedTo } from '../../support/tcp-counters.ts'

const TEXT = 'hello'
const ONE_WAY_MS = 20
const ROUND_TRIP_MS = 2 * ONE_WAY_MS
/** The kernel waits so long before it sends a SYN again. */
const SYN_TIMEOUT_MS = 1_000

describe('SYNs over a lossy link', () => {
  const missing = requireLossyLink() ?? requireNamespaces()
  let link: LossyLink
  let echo: FastOpenEcho
  let stay: Stay

  beforeAll(async () => {
    if (missing !== undefined) return
    link = await startLossyLink(ONE_WAY_MS)
    await link.setFastOpen(3)
    stay = link.enter('server')
    echo = await startFastOpenEcho(LINK_ADDRESSES.server)
    stay[Symbol.dispose]()
    stay = link.enter('client')
  })
  beforeEach(async ctx => {
    ctx.skip(missing !== undefined, missing)
    await link.filter('none')
    link.flushCookies()
  })
  afterAll(async () => {
    if (missing !== undefined) return
    stay[Symbol.dispose]()
    await echo[Symbol.asyncDispose]()
    await link[Symbol.asyncDispose]()
  })

  const run = () => echoWithFastOpen(echo.port, TEXT, LINK_ADDRESSES.server)
  async function measured(): Promise<{ ms: number; added: Omit<SynCounts, 'dataBytes' | 'mostDataBytes'> }> {
    const before = await link.syns()
    const { ms } = await run()
    const after = await link.syns()
    const added = {
      syns: after.syns - before.syns,
      withFastOpen: after.withFastOpen - before.withFastOpen,
      withData: after.withData - before.withData,
    }
    return { ms, added }
  }

  it('counts the SYNs: a cookie is asked for first, then data goes along and spares a round trip', async () => {
    const client = link.tcpCounters('client')
    const server = link.tcpCounters('server')
    const first = await measured()
    expect(first.added).toEqual({ syns: 1, withFastOpen: 1, withData: 0 })
    expect(first.ms).toBeGreaterThanOrEqual(2 * ROUND_TRIP_MS)

    const second = await measured()
    expect(second.added).toEqual({ syns: 1, withFastOpen: 1, withData: 1 })
    expect(second.ms).toBeGreaterThanOrEqual(ROUND_TRIP_MS)
    expect(await link.syns()).toMatchObject({ dataBytes: TEXT.length, mostDataBytes: TEXT.length })
    expect(addedTo(client, link.tcpCounters('client'))).toMatchObject({
      TCPFastOpenActive: 1,
      TCPFastOpenPassive: 0,
      TCPSynRetrans: 0,
    })
    expect(addedTo(server, link.tcpCounters('server'))).toMatchObject({
      TCPFastOpenActive: 0,
      TCPFastOpenPassive: 1,
      TCPFastOpenCookieReqd: 1,
    })
    // A busy machine is late now and then, but not each time.
    let { ms } = second
    for (let run = 0; run < 20 && ms >= 2 * ROUND_TRIP_MS; run++) ms = Math.min(ms, (await measured()).ms)
    expect(ms).toBeLessThan(2 * ROUND_TRIP_MS)
  })

  it('loses SYNs with data: the kernel sends it again without, a second later', async () => {
    await run()
    await link.filter('syn-data')
    const before = link.tcpCounters('client')
    const { lost } = await link.counts()
    const { ms, added } = await measured()
    expect(added).toEqual({ syns: 2, withFastOpen: 1, withData: 1 })
    expect(ms).toBeGreaterThanOrEqual(SYN_TIMEOUT_MS)
    expect((await link.counts()).lost).toBe(lost + 1)
    expect(addedTo(before, link.tcpCounters('client'))).toMatchObject({
      TCPFastOpenActiveFail: 1,
      TCPSynRetrans: 1,
    })
  })

  it('loses SYNs with data only: that which asks for a cookie goes through', async () => {
    await link.filter('syn-data')
    const { ms, added } = await measured()
    expect(added).toEqual({ syns: 1, withFastOpen: 1, withData: 0 })
    expect(ms).toBeLessThan(SYN_TIMEOUT_MS)
  })

  it('loses SYNs with the option of Fast Open, one that asks for a cookie as well', async () => {
    await link.filter('syn-fast-open')
    const { ms, added } = await measured()
    expect(added).toEqual({ syns: 2, withFastOpen: 1, withData: 0 })
    expect(ms).toBeGreaterThanOrEqual(SYN_TIMEOUT_MS)
  })

  it('holds everything up, and lets it through again', async () => {
    await run()
    await link.filter('all')
    const [{ syns }, { lost }] = [await link.syns(), await link.counts()]
    let isDone = false
    const late = run().then(({ ms }) => {
      isDone = true
      return ms
    })
    await sleep(4 * ROUND_TRIP_MS)
    expect(isDone).toBe(false)
    expect((await link.syns()).syns).toBe(syns + 1)
    expect((await link.counts()).lost).toBeGreaterThan(lost)
    await link.filter('none')
    expect(await late).toBeGreaterThanOrEqual(SYN_TIMEOUT_MS)
    expect((await link.syns()).syns).toBe(syns + 2)
  })

  it('has Fast Open at each end by itself', async () => {
    await run()
    await link.setFastOpen(1, 'server')
    try {
      const { info } = await run()
      expect({ isTaken: info?.isSynDataAcked, failure: info?.fastOpenFailure }).toEqual({
        isTaken: false,
        failure: 2,
      })
    } finally {
      await link.setFastOpen(3, 'server')
    }
  })
})
