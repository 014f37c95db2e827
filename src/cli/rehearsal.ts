import { lookup } from 'node:dns/promises'
import { systemClock, type Timer } from '../entry/events.ts'
import {
  createTransport,
  type Observer,
  type OriginOptions,
  type Protocol,
  type Transport,
} from '../index.ts'
import { createCertificateAuthority, startHttp2Origin, startHttp3Origin } from '../testing/index.ts'

/** What is to be rehearsed before it is measured. */
export interface Rehearsal {
  readonly kind: 'request' | 'probe'
  readonly isSecure: boolean
  /** Those of the command. */
  readonly defaults: OriginOptions
}

/** However slow the machine is: nobody waits longer for what only sharpens figures. */
const LIMIT_MS = 3_000
const ALL: readonly Protocol[] = ['h2', 'http/1.1', 'h3']

/**
 * Does once, with an origin in this process, what is measured next: modules are loaded, native parts are
 * found and code is compiled before the clock starts. The first request of a process takes some 200 ms of CPU
 * time that are no part of the network's. A rehearsal that fails is no fault: the command itself says what
 * does not work. Resolves with the highest number that a connection had, or 0.
 */
export async function rehearse(rehearsal: Rehearsal): Promise<number> {
  let lastConnectionId = 0
  const observer: Observer = event => {
    if (event.type === 'connection-opened') lastConnectionId = Math.max(lastConnectionId, event.connection.id)
  }
  let timer: Timer | undefined
  const late = new Promise<void>(resolve => {
    timer = systemClock.setTimer(LIMIT_MS, resolve)
  })
  await Promise.race([play(rehearsal, observer).catch(() => undefined), late])
  timer?.cancel()
  return lastConnectionId
}

async function play({ kind, isSecure, defaults }: Rehearsal, observer: Observer): Promise<void> {
  const authority = await createCertificateAuthority('middlemile rehearsal')
  const tls = await authority.issue({ names: ['localhost'] })
  const protocols = (defaults.protocols ?? ALL).filter(protocol => isSecure || protocol !== 'h3')
  const origin = await startHttp2Origin({ protocols: ['h2', 'http/1.1'], ...(isSecure && { tls }) })
  const { port, url } = origin
  // Where another program has the port for UDP, or there is no engine, there is nothing to rehearse.
  const http3 = protocols.includes('h3')
    ? await startHttp3Origin({ tls, port }).catch(() => undefined)
    : undefined
  const run = async (
    options: OriginOptions,
    work: (transport: Transport) => Promise<unknown>,
  ): Promise<void> => {
    const transport = createTransport({
      // The kernel keeps a Fast Open cookie for the loopback: whatever asks for one is left to the command.
      defaults: {
        ...defaults,
        ...options,
        tfo: 'off',
        earlyDataOverTcp: false,
        tls: { ca: authority.cert },
      },
      // The address is given: nobody else's name server is asked for what only this process knows.
      origins: { [url]: { endpoints: ['127.0.0.1'] } },
      observer,
    })
    await work(transport).catch(() => undefined)
    await transport.close()
  }
  const request = async (transport: Transport): Promise<void> => {
    const response = await transport.request(`${url}/bytes/1000`)
    for await (const _chunk of response.body); // as the command reads it
  }
  const runs =
    kind === 'probe'
      ? [run({ select: { ...defaults.select, probeTimeoutMs: LIMIT_MS } }, transport => transport.probe(url))]
      : protocols
          .filter(protocol => protocol !== 'h3' || http3 !== undefined)
          .map(protocol => run({ protocols: [protocol] }, request))
  await Promise.all([lookup('localhost'), ...runs])
  await Promise.all([origin.close(), http3?.close()])
}
