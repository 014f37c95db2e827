import { describe, expect, it } from 'vitest'
import { type CongestionControl, requireLossyPath, startLossyPath } from '../../../bench/load/load-path.ts'
import { startAtEnd } from '../../support/link-process.ts'
import { LINK_ADDRESSES } from '../../support/lossy-link.ts'
import { requireBinary } from '../../support/require-binary.ts'
import { runTool } from '../../support/run-tool.ts'

const SERVER = `require('node:net').createServer(() => process.send('accepted')).listen(80, '${LINK_ADDRESSES.server}', () => process.send('ready'))`
const CLIENT = `
const startedAt = performance.now()
require('node:net').connect(80, '${LINK_ADDRESSES.server}', () => process.send(performance.now() - startedAt))`

describe('a lossy path', () => {
  const missing = requireLossyPath() ?? requireBinary('ss')

  it.for<CongestionControl>(['cubic', 'bbr'])(
    'carries TCP from end to end, with %s at both',
    async (name, ctx) => {
      ctx.skip(missing !== undefined, missing)
      await using link = await startLossyPath(20, name)
      await using server = startAtEnd(link, 'server', SERVER)
      await server.message()
      await using client = startAtEnd(link, 'client', CLIENT)
      // The last packet of the handshake is still on its path when the client is connected.
      const [connectMs] = await Promise.all([client.message(), server.message()])
      expect(connectMs).toBeGreaterThanOrEqual(40)
      expect(connectMs).toBeLessThan(1_000) // a SYN that is lost comes again after that
      for (const end of ['client', 'server'] as const) {
        const { output } = await runTool('ss', ['-tinH', 'state', 'established'], {
          prefix: link.prefix(end),
        })
        expect(output).toMatch(new RegExp(`\\b${name}\\b`))
      }
    },
  )
})
