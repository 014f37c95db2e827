import { describe, expect, it } from 'vitest'
import { createTransport, type OriginOptions } from '../../src/index.ts'
import { startCaddy } from '../support/caddy.ts'
import { SelectionLog } from '../support/selection-log.ts'
import { overheadOf } from '../support/overhead.ts'
import { startRelayedCaddy, ALT_SVC_HERE } from '../support/relayed-caddy.ts'

it('a', async () => {
  await using caddy = await startCaddy({ http2: true, http3: true })
  const tls = { ca: caddy.certificates.ca }
  let log = new SelectionLog()
  const o = await overheadOf({ url: caddy.url + '/hello', later: 30,
    plain: () => createTransport({ defaults: { tls, protocols: ['h2', 'http/1.1'] } }),
    subject: () => { log = new SelectionLog(); return createTransport({ defaults: { tls }, observer: log.observer })}, after: () => {console.log(log.text); return Promise.resolve()} })
  console.log(o)
}, 60000)
it('b', async () => {
  await using caddy = await startRelayedCaddy()
  caddy.relay.isBlackHole = true
  const tls = { ca: caddy.authority.cert }
  let log = new SelectionLog()
  const o = await overheadOf({ url: caddy.url + '/hello', later: 10,
    plain: () => createTransport({ defaults: { tls, protocols: ['h2', 'http/1.1'] } }),
    subject: () => { log = new SelectionLog(); return createTransport({ defaults: { tls }, observer: log.observer })}, after: () => {console.log(log.text, caddy.relay.counts); return Promise.resolve()} })
  console.log(o)
}, 60000)
