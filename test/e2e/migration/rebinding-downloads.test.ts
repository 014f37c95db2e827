import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { patternBytes } from '../../../src/testing/origin-answers.ts'
import { runGtlsclient } from '../../support/gtlsclient.ts'
import { type MovableServer, OWN_SERVER, startOwnMovable } from '../../support/movable-servers.ts'
import { type Incident, type MovingClient, sha256, startMovingClient } from '../../support/moving-client.ts'
import { requireBinary } from '../../support/require-binary.ts'
import { openUdpSocket } from '../../support/udp-port.ts'
import { startUdpRelay } from '../../support/udp-relay.ts'
import { volume } from '../../support/volume.ts'

const BYTES = 10_000_000
const PATH = `/bytes/${BYTES}`
/**
 * With so many quiche follows the thief for a round trip. One who goes on until the path to it has failed,
 * after about a second, can stop a transfer.
 */
const COPIES = 5
/** One after the other: what is in flight at that instant is another matter each time. */
const TIMES = volume(2, 5)

interface Fate {
  readonly name: string
  readonly hosts: readonly string[]
}

const FATES: readonly Fate[] = [
  { name: 'once', hosts: ['127.0.0.1'] },
  { name: 'twice in a row', hosts: ['127.0.0.1', '127.0.0.1'] },
  { name: 'to another address, and to yet another', hosts: ['127.0.0.3', '127.0.0.4'] },
]

/**
 * A NAT that forgets has lost what is on its way to the old mapping: without visits (path-bounces.ts) all of
 * these stand still for good.
 */
describe.skipIf(OWN_SERVER.missing !== undefined)('a download from our own server role', () => {
  let server: MovableServer
  beforeAll(async () => {
    server = await startOwnMovable()
  })
  afterAll(async () => {
    await server?.[Symbol.asyncDispose]()
  })

  const download = async (
    incidents: (client: MovingClient) => readonly Incident[],
    seed: number,
  ): Promise<void> => {
    await using client = await startMovingClient(server, { seed })
    const result = await client.download(PATH, ...incidents(client))
    expect(result).toMatchObject({ status: 200, bytes: BYTES, sha256: sha256(patternBytes(BYTES)) })
    expect(client.transport.stats().pools).toMatchObject([{ opened: { full: 1, resumed: 0 }, retries: 0 }])
  }

  it.for(FATES)('goes on when the client is rebound $name', { timeout: 120_000 }, async ({ hosts }) => {
    for (let seed = 1; seed <= TIMES; seed += 1) {
      await download(
        ({ relay }) =>
          hosts.map((host, at) => [(BYTES * (at + 1)) / (hosts.length + 1), () => relay.rebind(host)]),
        seed,
      )
    }
  })

  it('stays with a client whose datagrams are copied, and overtaken by the copies', async () => {
    const thief = await openUdpSocket()
    let stolen = 0
    try {
      await download(
        ({ relay }) => [
          [
            BYTES * 0.3,
            () => {
              // RFC 9000 9.3.3. The relay takes 5 ms, the thief none.
              relay.filter = (datagram, direction) => {
                if (direction === 'to-server' && stolen < COPIES) {
                  stolen += 1
                  thief.send(datagram, server.port, '127.0.0.1')
                }
                return true
              }
            },
          ],
        ],
        1,
      )
    } finally {
      thief.close()
    }
    expect(stolen).toBe(COPIES)
  })

  it('goes on when gtlsclient is rebound', async ctx => {
    const missing = requireBinary('gtlsclient')
    ctx.skip(missing !== undefined, missing)
    await using relay = await startUdpRelay(server.port, { conditions: { latencyMs: 5 } })
    let rebound = 0
    relay.filter = (_datagram, direction, index) => {
      if (direction === 'to-client' && (index === 2_000 || index === 4_000)) {
        rebound += 1
        void relay.rebind(index === 2_000 ? '127.0.0.1' : '127.0.0.3')
      }
      return true
    }
    const { exitCode, bodies } = await runGtlsclient(relay.port, [PATH], { download: true, isQuiet: true })
    expect({ exitCode, rebound }).toEqual({ exitCode: 0, rebound: 2 })
    expect(sha256(bodies.get(PATH) ?? Buffer.alloc(0))).toBe(sha256(patternBytes(BYTES)))
  })
})
