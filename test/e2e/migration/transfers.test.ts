import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest'
import { LinkSockets } from '../../../src/quic/udp/link-sockets.ts'
import { DOWNLOAD_BYTES, type MovableServer, NGTCP2, OWN_SERVER } from '../../support/movable-servers.ts'
import { type Incident, type MovingClient, startMovingClient } from '../../support/moving-client.ts'
import { volume } from '../../support/volume.ts'

const UPLOAD_BYTES = volume(4_000_000, 16_000_000)

/** What befalls a transfer of so many bytes, and what the reports of moves say of it. */
interface Fate {
  readonly name: string
  incidents(client: MovingClient, server: MovableServer, bytes: number): readonly Incident[]
  /** Moves that were asked for, and whether there is another one. */
  readonly forced: number
  readonly isNoticed: boolean
}

/** The last sockets that a link has opened. */
let sockets: LinkSockets | undefined

const FATES: readonly Fate[] = [
  {
    name: '(a) is moved to another port, then to another address',
    forced: 2,
    isNoticed: false,
    incidents: (client, _server, bytes) => [
      [bytes * 0.3, async () => expect((await client.move()).outcome).toBe('moved')],
      [
        bytes * 0.6,
        async () => {
          const report = await client.move({ address: '127.0.0.2' })
          expect(report).toMatchObject({ outcome: 'moved', to: { host: '127.0.0.2' } })
        },
      ],
    ],
  },
  {
    name: '(b) is moved and loses the old socket at the same instant',
    forced: 1,
    isNoticed: false,
    incidents: (client, _server, bytes) => [
      [
        bytes * 0.4,
        async () => {
          const [local] = sockets?.locals ?? []
          const moved = client.move()
          sockets?.close(local!)
          expect(await moved).toMatchObject({ outcome: 'moved', from: local })
        },
      ],
    ],
  },
  {
    name: '(c) is rebound by a NAT twice, once to another address, and loses the old mapping at once',
    forced: 0,
    isNoticed: false,
    incidents: ({ relay }, _server, bytes) => [
      [bytes * 0.3, () => relay.rebind()],
      [bytes * 0.6, () => relay.rebind('127.0.0.3')],
    ],
  },
  {
    name: '(d) finds its path silent in both directions',
    forced: 0,
    isNoticed: true,
    incidents: ({ relay }, _server, bytes) => [[bytes * 0.4, () => relay.silence()]],
  },
]

describe.each([NGTCP2, OWN_SERVER])('a transfer over HTTP/3, $name:', ({ missing, start }) => {
  let server: MovableServer
  beforeAll(async () => {
    if (missing === undefined) server = await start()
  })
  afterAll(async () => {
    await server?.[Symbol.asyncDispose]()
  })
  afterEach(() => {
    vi.restoreAllMocks()
    sockets = undefined
  })

  /** One connection, which is still the same one in the end. */
  const survive = async (fate: Fate, transfer: (client: MovingClient) => Promise<void>): Promise<void> => {
    const add = LinkSockets.prototype.add
    vi.spyOn(LinkSockets.prototype, 'add').mockImplementation(function (this: LinkSockets, choice) {
      sockets = this // oxlint-disable-line typescript/no-this-alias -- the one that the client made
      return add.call(this, choice)
    })
    await using client = await startMovingClient(server)
    await transfer(client)
    // A busy machine makes the watch suspect a path now and then, which does no harm.
    const moved = client.reports.filter(({ outcome }) => outcome === 'moved')
    expect(moved.filter(({ cause }) => cause === 'forced')).toHaveLength(fate.forced)
    if (fate.isNoticed) expect(moved).toContainEqual(expect.objectContaining({ gapMs: expect.any(Number) }))
    const [pool] = client.transport.stats().pools
    expect(pool).toMatchObject({ opened: { full: 1, resumed: 0 }, retries: 0 })
  }

  it.for(FATES)(`a download of ${DOWNLOAD_BYTES} bytes that $name`, async (fate, ctx) => {
    ctx.skip(missing !== undefined, missing)
    await survive(fate, async client => {
      const incidents = fate.incidents(client, server, DOWNLOAD_BYTES)
      const result = await client.download(server.downloadPath, ...incidents)
      expect(result).toMatchObject({ status: 200, bytes: DOWNLOAD_BYTES, sha256: server.downloadSha256 })
    })
  })

  it.for(FATES)(`an upload of ${UPLOAD_BYTES} bytes that $name`, async (fate, ctx) => {
    ctx.skip(missing !== undefined, missing)
    await survive(fate, async client => {
      const incidents = fate.incidents(client, server, UPLOAD_BYTES)
      const result = await client.upload(server.uploadPath, UPLOAD_BYTES, ...incidents)
      const sha256 = server.uploadSha256(UPLOAD_BYTES) ?? ''
      expect(result).toMatchObject({ status: 200, bytes: UPLOAD_BYTES, sha256 })
    })
  })
})
