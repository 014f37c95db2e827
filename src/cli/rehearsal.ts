import { setImmediate as nextTurn } from 'node:timers/promises'
import { createSecureContext } from 'node:tls'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { systemClock, type Timer } from '../entry/events.ts'
import {
  createTransport,
  type Observer,
  type OriginOptions,
  type Protocol,
  type Transport,
} from '../index.ts'
import { createCertificateAuthority, startHttp2Origin, startHttp3Origin } from '../testing/index.ts'
import { type GetPlan, runGets } from './get/run-gets.ts'
import { REHEARSED_NAME, startRehearsedNames } from './rehearsed-names.ts'

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
/** As the command will do it: once to load, and then for the caches of what V8 interprets. */
const RUNS = 3
const REHEARSED_GET: Omit<GetPlan, 'urls'> = {
  concurrency: 1,
  method: 'GET',
  headers: [],
  earlyData: false,
  body: undefined,
  output: undefined,
  previewBytes: 0,
}
/** Sockets that close have called back for the last time after so many turns of the event loop. */
const QUIET_TURNS = 10

/**
 * Does once, with an origin in this process, what is measured next: modules are loaded, native parts are
 * found and code is compiled before the clock starts. The first request of a process takes some 200 ms of CPU
 * time that are no part of the network's. A rehearsal that fails is no fault: the command itself says what
 * does not work. Resolves with the highest number that a connection had, or 0.
 */
export async function rehearse(rehearsal: Rehearsal, limitMs: number = LIMIT_MS): Promise<number> {
  let lastConnectionId = 0
  const observer: Observer = event => {
    if (event.type === 'connection-opened') lastConnectionId = Math.max(lastConnectionId, event.connection.id)
  }
  let timer: Timer | undefined
  const late = new Promise<void>(resolve => {
    timer = systemClock.setTimer(limitMs, resolve)
  })
  await Promise.race([play(rehearsal, observer, late).catch(() => undefined), late])
  timer?.cancel()
  await settle()
  return lastConnectionId
}

/** The rehearsal's own garbage and its closing sockets are no part of what is measured. */
async function settle(): Promise<void> {
  for (let turn = 0; turn < QUIET_TURNS; turn++) await nextTurn()
  collectGarbage()
}

/** A collection that comes in the middle of a request takes 10 to 20 ms; loading has left enough for one. */
function collectGarbage(): void {
  setFlagsFromString('--expose-gc')
  const collect: unknown = runInNewContext('typeof gc === "function" ? gc : undefined')
  setFlagsFromString('--no-expose-gc')
  if (typeof collect === 'function') collect()
}

/** `late` resolves when nobody waits any longer: what runs then ends, and nothing else begins. */
async function play(
  { kind, isSecure, defaults }: Rehearsal,
  observer: Observer,
  late: Promise<void>,
): Promise<void> {
  let isLate = false
  const noted = late.then(() => {
    isLate = true
  })
  const authority = await createCertificateAuthority('middlemile rehearsal')
  const tls = await authority.issue({ names: [REHEARSED_NAME] })
  const protocols = (defaults.protocols ?? ALL).filter(protocol => isSecure || protocol !== 'h3')
  const origin = await startHttp2Origin({ protocols: ['h2', 'http/1.1'], ...(isSecure && { tls }) })
  const names = await startRehearsedNames()
  const { port } = origin
  const url = `${isSecure ? 'https' : 'http'}://${REHEARSED_NAME}:${port}`
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
      // Nobody else's name server is asked for what only this process knows.
      dnsServers: [names.address],
      observer,
    })
    if (!isLate) await Promise.race([work(transport).catch(() => undefined), noted])
    await transport.close()
  }
  const plan = { ...REHEARSED_GET, urls: [`${url}/bytes/1000`] }
  const request = async (transport: Transport): Promise<void> => {
    await runGets(transport, plan, () => {})
  }
  try {
    // The system's list of authorities is read by the first context that has none of its own.
    if (isSecure && defaults.tls?.ca === undefined) createSecureContext()
    if (kind === 'probe') {
      await run({ select: { ...defaults.select, probeTimeoutMs: LIMIT_MS } }, transport =>
        transport.probe(url),
      )
    } else {
      const spoken = protocols.filter(protocol => protocol !== 'h3' || http3 !== undefined)
      await Promise.all(spoken.map(protocol => run({ protocols: [protocol] }, request)))
      for (let i = 0; i < RUNS; i++) await run({}, request)
    }
  } finally {
    // Options that are refused are for the command to say.
    await Promise.all([origin.close(), http3?.close(), names.close()])
  }
}
