import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Protocol } from '../../../src/index.ts'
import { useEarlyOrigin } from '../../support/early-origin.ts'
import { earlyWorld } from '../../support/early-world.ts'
import { requireBinary } from '../../support/require-binary.ts'
import { requireOpenssl } from '../../support/require-openssl.ts'
import { makeTemporaryDirectory, type TemporaryDirectory } from '../../support/temporary-directory.ts'

const missing = requireOpenssl() ?? requireBinary('nginx')

/**
 * Whoever sends early data twice with one ticket makes a replay of it (RFC 8446 8): nginx would take it,
 * since it keeps no book of tickets.
 */
describe.skipIf(missing !== undefined).each<Protocol>(['http/1.1', 'h2'])(
  `tickets that have carried early data over TCP, %s${missing === undefined ? '' : ` (${missing})`}`,
  protocol => {
    const home = useEarlyOrigin()
    let directory: TemporaryDirectory
    beforeEach(async () => {
      directory = makeTemporaryDirectory('early-tickets')
    })
    afterEach(async () => {
      directory.remove()
    })

    const open = (isKept = false) =>
      earlyWorld({
        port: home.way.port,
        ca: home.nginx.certificates.ca,
        protocols: [protocol],
        ...(isKept && { transport: { state: { directory: directory.path } } }),
      })
    /** Those under which early data was sent, and those that were offered at all. */
    const identities = (): { early: string[]; all: string[] } => {
      const all = home.way.offered.filter(offered => offered !== undefined)
      return {
        early: all.filter(({ isEarly }) => isEarly).map(({ identity }) => identity),
        all: all.map(({ identity }) => identity),
      }
    }

    it('are never offered for it again', async () => {
      await using world = open()
      for (let round = 0; round < 12; round++) {
        await world.ask('/early')
        await world.untilIdleIsClosed()
      }
      const { early } = identities()
      expect(early).toHaveLength(11)
      expect(new Set(early).size).toBe(11)
    })

    it('are never offered for it again, many at once and some refused', async () => {
      await using world = open()
      await world.ask('/early')
      for (let round = 0; round < 4; round++) {
        await Promise.all(Array.from({ length: 12 }, () => world.ask('/early')))
        await world.untilIdleIsClosed()
        if (round === 1) await home.nginx.restart()
      }
      const { early } = identities()
      expect(early.length).toBeGreaterThan(2)
      expect(new Set(early).size).toBe(early.length)
    })

    it('are never offered for it by two transports that share a state directory', async () => {
      await using first = open(true)
      await using second = open(true)
      await first.ask('/early')
      await first.untilIdleIsClosed()
      for (let round = 0; round < 6; round++) {
        await Promise.all([first, second].map(world => world.ask('/early')))
        await Promise.all([first, second].map(world => world.untilIdleIsClosed()))
      }
      const { early } = identities()
      expect(early.length).toBeGreaterThan(6)
      expect(new Set(early).size).toBe(early.length)
    })

    it('are never offered for it by the transports that come after one another', async () => {
      for (let round = 0; round < 5; round++) {
        await using world = open(true)
        const { info } = await world.ask('/early')
        expect(info.earlyData).toBe(round === 0 ? 'none' : 'accepted')
        // The ticket for the next one comes behind the handshake, and so behind the answer.
        await world.untilIdleIsClosed()
      }
      const { early } = identities()
      expect(early).toHaveLength(4)
      expect(new Set(early).size).toBe(4)
    })

    it('go with an abort as if they had been used', async () => {
      await using world = open()
      await world.ask('/early')
      await world.untilIdleIsClosed()
      home.way.leadsTo = client => void client.resume()
      const gaveUp = new AbortController()
      const asked = world.ask('/early', { signal: gaveUp.signal })
      await expect.poll(() => home.way.offered.length).toBe(2)
      gaveUp.abort()
      await expect(asked).rejects.toMatchObject({ name: 'AbortError' })
      home.way.leadsTo = home.nginx.tlsPort
      await world.ask('/early')
      const { early } = identities()
      expect(new Set(early).size).toBe(early.length)
    })
  },
)
