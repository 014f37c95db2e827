import { afterEach, describe, expect, it, vi } from 'vitest'
import type * as Native from '../../../src/connect/native/socket-calls.ts'
import type { Protocol } from '../../../src/index.ts'
import { createCertificateAuthority } from '../../../src/testing/certificates.ts'
import { NGINX_EARLY } from '../../support/early-world.ts'
import {
  enterFastOpenNamespace,
  flushCookies,
  requireFastOpenNamespace,
} from '../../support/fast-open-namespace.ts'
import { fastOpenWorld, startFastOpenOrigin } from '../../support/fast-open-world.ts'
import { startNginx } from '../../support/nginx.ts'
import { requireBinary } from '../../support/require-binary.ts'
import { requireOpenssl } from '../../support/require-openssl.ts'
import { hookSyn, type SynHook } from '../../support/syn-hook.ts'
import { until } from '../../support/until.ts'

/** The kernel loses its cookie between connect() and the first write. */

const hook = vi.hoisted<SynHook>(() => ({ onSynWaits: undefined }))

vi.mock('../../../src/connect/native/socket-calls.ts', async importOriginal => {
  const original = await importOriginal<typeof Native>()
  return { ...original, socketCalls: () => hookSyn(original.socketCalls(), hook) }
})

const missing = requireFastOpenNamespace()
const NO_COOKIE = 'the kernel had no cookie for the address, and asked for one'

afterEach(() => {
  hook.onSynWaits = undefined
})

/**
 * The next connect that has a cookie loses it before it has written anything. Answers whether that has come
 * about.
 */
function loseCookie(): () => boolean {
  let isLost = false
  hook.onSynWaits = () => {
    flushCookies()
    isLost = true
  }
  return () => isLost
}

describe.skipIf(missing !== undefined).each<Protocol>(['http/1.1', 'h2'])(
  `a cookie that goes between connect() and the first write, by %s ${missing ?? ''}`,
  protocol => {
    it('costs a connect, and neither a wait nor a ticket nor the address its Fast Open', async () => {
      using namespace = enterFastOpenNamespace(3)
      const authority = await createCertificateAuthority()
      await using origin = await startFastOpenOrigin({ authority })
      await using world = fastOpenWorld({ port: origin.port, ca: authority.cert, protocols: [protocol] })
      await world.ask('/')
      await world.untilIdleIsClosed()
      const isLost = loseCookie()
      const result = await world.ask('/')
      expect([result.status, result.text, isLost()]).toEqual([200, 'here', true])
      expect(namespace.counters().TCPSynRetrans, 'nothing was waited for').toBe(0)
      expect(result.info).toMatchObject({
        protocol,
        retries: 0,
        resumed: true,
        tfo: 'fallback',
        tfoBecause: NO_COOKIE,
        attempts: [
          { outcome: 'failed', error: expect.stringContaining('the cookie for Fast Open was gone') },
          { outcome: 'connected', because: 'once more without Fast Open' },
        ],
      })
      expect((await world.explained()).known).toContainEqual(expect.stringContaining(NO_COOKIE))
      await world.untilIdleIsClosed()
      // The SYN that left by itself has asked for a cookie.
      expect((await world.ask('/')).info).toMatchObject({ resumed: true, tfo: 'used' })
      expect(world.fastOpens()).toEqual([NO_COOKIE, NO_COOKIE, 'used'])
      await until(() => origin.open() <= 1, 'the first connect is closed')
    })

    const missingForEarly = requireOpenssl() ?? requireBinary('nginx')
    it('is no harm to early data: the request is sent once more', async ctx => {
      ctx.skip(missingForEarly !== undefined, missingForEarly)
      using namespace = enterFastOpenNamespace(3)
      await using nginx = await startNginx({
        http2: true,
        tlsListen: 'fastopen=64',
        extraServer: NGINX_EARLY,
      })
      const { ca } = nginx.certificates
      await using world = fastOpenWorld({ port: nginx.tlsPort, ca, protocols: [protocol], early: true })
      await world.ask('/early')
      await world.untilIdleIsClosed()
      expect((await world.ask('/early')).info).toMatchObject({ earlyData: 'accepted', tfo: 'used' })
      await world.untilIdleIsClosed()
      const isLost = loseCookie()
      const result = await world.ask('/early')
      expect([result.status, isLost()]).toEqual([200, true])
      expect(namespace.counters().TCPSynRetrans, 'nothing was waited for').toBe(0)
      expect(result.info).toMatchObject({ retries: 1, resumed: true })
      expect(world.retries()).toEqual(['early-data-lost'])
      expect(world.fastOpens().slice(0, 3)).toEqual([NO_COOKIE, 'used', NO_COOKIE])
      // Neither the tickets nor the address were to blame.
      await world.untilIdleIsClosed()
      expect((await world.ask('/early')).info).toMatchObject({
        earlyData: 'accepted',
        tfo: 'used',
        retries: 0,
      })
    })
  },
)
