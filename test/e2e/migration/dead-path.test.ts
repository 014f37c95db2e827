import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { Paths } from '../../../src/quic/quiche/paths.ts'
import { NGTCP2 } from '../../support/movable-servers.ts'
import { type MovingClient, startMovingClient } from '../../support/moving-client.ts'

/** So much that a full window is in flight when the path dies. */
const UPLOAD_BYTES = 16_000_000
const SILENT_AT_BYTES = 4_000_000
/** The rest takes 2 s with the trick; a busy machine gets more. */
const PATIENCE_MS = 20_000
/** Without it nothing is done by then. */
const STALL_MS = 6_000

/**
 * What the server had is acknowledged before the other direction dies as well: an acknowledgement that is
 * late and comes over the new path would show quiche by itself that what was sent before is lost.
 */
async function silence({ relay }: MovingClient): Promise<void> {
  relay.silence(undefined, 'to-server')
  await sleep(30)
  relay.silence(relay.clients[0])
}

/**
 * quiche 0.18 by itself never sends again what was in flight on a path that was left dead: see
 * Paths.bounce.
 */
describe('an upload whose path dies in both directions', () => {
  afterEach(() => {
    vi.restoreAllMocks()
  })

  const upload = async (
    client: MovingClient,
    path: string,
    ms: number,
  ): Promise<'done' | 'standing still'> => {
    const sent = client.upload(path, UPLOAD_BYTES, [SILENT_AT_BYTES, () => silence(client)])
    const ended = new AbortController()
    const uploading = sent.then(
      () => 'done' as const,
      () => 'standing still' as const, // the transport is closed on it
    )
    const outcome = await Promise.race([
      uploading,
      sleep(ms, 'standing still' as const, { signal: ended.signal }),
    ])
    ended.abort()
    return outcome
  }

  it('goes on over another one', async ctx => {
    ctx.skip(NGTCP2.missing !== undefined, NGTCP2.missing)
    await using server = await NGTCP2.start()
    await using client = await startMovingClient(server)
    const bounce = vi.spyOn(Paths.prototype, 'bounce')
    expect(await upload(client, server.uploadPath, PATIENCE_MS)).toBe('done')
    expect(bounce.mock.results.map(({ value }) => value)).toContain(true)
    expect(client.reports.at(-1)).toMatchObject({ outcome: 'moved' })
  })

  it('would migrate as well without the path-bounce workaround, and stall there', async ctx => {
    ctx.skip(NGTCP2.missing !== undefined, NGTCP2.missing)
    await using server = await NGTCP2.start()
    await using client = await startMovingClient(server)
    vi.spyOn(Paths.prototype, 'bounce').mockReturnValue(true)
    expect(await upload(client, server.uploadPath, STALL_MS)).toBe('standing still')
    expect(client.reports.map(({ outcome }) => outcome)).toContain('moved')
  })
})
