import { request } from 'node:http'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { DEFAULT_RETRY_OPTIONS } from '../../../src/entry/options.ts'
import type { OriginConfig } from '../../../src/service/index.ts'
import { startQuickOrigin, type TestOrigin } from '../../../src/testing/origins.ts'
import { type ConnectorProcess, startConfiguredConnector } from '../../support/connector-process.ts'
import { ControlClient } from '../../support/control-client.ts'
import { readDefences } from '../../support/defences.ts'
import { responseBlock } from '../../support/http2-fields.ts'
import {
  MALFORMED_ANSWERS,
  ORIGIN_FAULTS,
  ORIGIN_FLOODS,
  ORIGIN_WHIMS,
  type OriginAttack,
} from '../../support/http2-origin-attacks.ts'
import { type Http2PeerOrigin, startHttp2PeerOrigin } from '../../support/http2-peer.ts'
import { data, FLAG, headers, SETTING, settings, windowUpdate } from '../../support/http2-wire.ts'
import { readProcessMemory } from '../../support/process-memory.ts'
import { readPool } from '../../support/start-connector.ts'
import { until } from '../../support/until.ts'

/** What a connector may grow by under one attack, in MiB. */
const ALLOWED_GROWTH_MIB = 50
/** And under all of them: each has an origin of its own, with what the connector keeps of one. */
const ALLOWED_GROWTH_OF_ALL_MIB = 150

const NEVER_ANSWERS = (): void => {}
/** Origins that are slow rather than wrong, each with short limits of its own. */
const SLOW: readonly (OriginAttack & { options: Partial<OriginConfig> })[] = [
  {
    name: 'does not end a field block',
    options: { http2: { fieldBlockTimeout: '300ms' } },
    run: (peer, streamId) => peer.send(headers(streamId, responseBlock(), 0)),
    answer: [502, 'MM_EXCESSIVE_LOAD'],
    told: /^GOAWAY 0 ENHANCE_YOUR_CALM$/,
    limit: 'fieldBlockTimeoutMs',
  },
  {
    name: 'never sends SETTINGS',
    options: { http2: { settingsTimeout: '300ms' } },
    peer: { isSilent: true, acknowledges: false },
    run: NEVER_ANSWERS,
    answer: [502, 'MM_PROTOCOL_ERROR'],
    told: /^GOAWAY 0 SETTINGS_TIMEOUT$/,
  },
  {
    name: 'never acknowledges SETTINGS',
    options: { http2: { settingsTimeout: '300ms' } },
    peer: { acknowledges: false },
    run: NEVER_ANSWERS,
    answer: [502, 'MM_PROTOCOL_ERROR'],
    told: /^GOAWAY 0 SETTINGS_TIMEOUT$/,
  },
  {
    name: 'allows no streams at all',
    options: { pool: { queueTimeout: '300ms', maxConnections: 3 }, http2: { streamsBeforeSettings: 0 } },
    peer: { settings: { [SETTING.MAX_CONCURRENT_STREAMS]: 0 } },
    run: NEVER_ANSWERS,
    answer: [503, 'MM_QUEUE_TIMEOUT'],
  },
  {
    name: 'never answers',
    options: { timeouts: { headers: '300ms' } },
    run: NEVER_ANSWERS,
    answer: [504, 'MM_HEADERS_TIMEOUT'],
    told: /^RST_STREAM 1 CANCEL$/,
  },
  {
    name: 'stops within the body',
    options: { timeouts: { body: '300ms' } },
    run: (peer, streamId) => peer.send(headers(streamId, responseBlock()), data(streamId, 'x')),
    answer: 'cut',
    told: /^RST_STREAM 1 CANCEL$/,
  },
]

const ATTACKS: readonly (OriginAttack & { options?: Partial<OriginConfig> })[] = [
  ...ORIGIN_FLOODS,
  ...ORIGIN_FAULTS,
  ...MALFORMED_ANSWERS,
  ...ORIGIN_WHIMS,
  ...SLOW,
]
const hostOf = (index: number): string => `evil-${index}.test`
const nameOf = (index: number): string => `evil-${index}`

interface Answer {
  /** 0: the connection was closed without a byte of an answer. */
  status: number
  /** Of an answer of the connector's own. */
  code: string | undefined
  isCut: boolean
}

/**
 * One request on a connection of its own. Of the answer's body nothing is read before `reads` is fulfilled.
 */
function ask(port: number, host: string, body?: Buffer, reads?: Promise<unknown>): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const sent = request(
      {
        port,
        host: '127.0.0.1',
        agent: false,
        headers: { host },
        method: body === undefined ? 'GET' : 'POST',
      },
      response => {
        const status = response.statusCode ?? 0
        let text = ''
        let isOver = false
        const settle = (isCut: boolean): void => {
          if (isOver) return
          isOver = true
          const code = /"code":"(\w+)"/.exec(text)?.[1]
          resolve({ status, code, isCut })
        }
        response.setEncoding('latin1').on('data', (chunk: string) => {
          text = (text + chunk).slice(0, 1_000)
        })
        response.on('end', () => settle(!response.complete))
        response.on('error', () => settle(true))
        if (reads === undefined) return
        response.pause()
        reads.then(() => response.resume(), reject)
      },
    )
    sent.setTimeout(15_000, () => reject(new Error('no answer within 15 s')))
    sent.on('error', () => resolve({ status: 0, code: undefined, isCut: true }))
    sent.end(body)
  })
}

/** Every origin has its own way; one connector stands in front of all, and of one that is innocent. */
describe('a hostile HTTP/2 origin', () => {
  const origins: Http2PeerOrigin[] = []
  let innocent: TestOrigin
  let connector: ConnectorProcess
  let control: ControlClient
  let memoryBefore: number
  let memoryBeforeAttack: number

  beforeAll(async () => {
    innocent = await startQuickOrigin()
    for (const attack of ATTACKS)
      origins.push(
        await startHttp2PeerOrigin({
          ...attack.peer,
          onRequest: (peer, streamId) => void attack.run(peer, streamId),
        }),
      )
    connector = await startConfiguredConnector({
      origins: {
        innocent: { url: innocent.url, hosts: ['innocent.test'] },
        ...Object.fromEntries(
          origins.map(({ url }, index) => [
            nameOf(index),
            { url, hosts: [hostOf(index)], protocols: ['h2'], ...ATTACKS[index]?.options },
          ]),
        ),
      },
    })
    control = new ControlClient(connector.url, 'innocent.test')
    for (let i = 0; i < 500; i++) await ask(connector.port, 'innocent.test')
    memoryBefore = memoryBeforeAttack = readProcessMemory(connector.cli.pid).now
  }, 60_000)
  afterAll(async () => {
    await control?.[Symbol.asyncDispose]()
    await connector?.[Symbol.asyncDispose]()
    await innocent?.close()
    for (const origin of origins) await origin[Symbol.asyncDispose]()
  })
  afterEach(async () => {
    const { statuses, failures, slowestMs } = await control.report()
    expect(failures).toEqual([])
    expect(Object.keys(statuses)).toEqual(['200'])
    expect(slowestMs).toBeLessThan(3_000)
    const memory = readProcessMemory(connector.cli.pid).now
    expect(memory - memoryBefore).toBeLessThan(ALLOWED_GROWTH_OF_ALL_MIB)
    expect(memory - memoryBeforeAttack).toBeLessThan(ALLOWED_GROWTH_MIB)
    memoryBeforeAttack = memory
    expect(connector.cli.stderr).toBe('')
  })

  const check = async (index: number): Promise<void> => {
    const attack = ATTACKS[index]
    const origin = origins[index]
    if (attack === undefined || origin === undefined) throw new Error('as many origins as attacks')
    const body = attack.bodyBytes === undefined ? undefined : Buffer.alloc(attack.bodyBytes)
    const { told } = attack
    const isTold = async (): Promise<void> => {
      await expect.poll(() => origin.peers.length).toBeGreaterThan(0)
      if (told !== undefined) await origin.peers[0]?.untilFrame(told)
    }
    const answer = await ask(
      connector.port,
      hostOf(index),
      body,
      attack.isReadLate === true ? isTold() : undefined,
    )
    if (attack.answer === 'cut') {
      // When the answer broke within the read that it began in, its head had not left yet: then it is a 502
      // of our own.
      expect([0, 200, 502]).toContain(answer.status)
      expect(answer.isCut).toBe(answer.status !== 502)
    } else {
      const [status, code] = attack.answer
      expect([answer.status, answer.code]).toEqual([
        status,
        typeof code === 'string' ? code : expect.stringMatching(code),
      ])
    }
    // Whatever it does, it is asked a few times at the most.
    const { maxUnanswered } = DEFAULT_RETRY_OPTIONS
    expect(origin.peers.length).toBeLessThanOrEqual(1 + maxUnanswered)
    const requests = origin.peers.reduce((sum, peer) => sum + peer.log.filter(isHead).length, 0)
    expect(requests).toBeLessThanOrEqual(1 + maxUnanswered)
    await isTold()
    // What follows a reset may be on its way still when the reset has come.
    await expect
      .poll(async () => Object.keys(await readDefences(connector.adminUrl, { origin: nameOf(index) })))
      .toEqual(attack.limit === undefined ? [] : [attack.limit])
    // Nothing of it is left in the pool.
    await expect.poll(async () => (await readPool(connector.adminUrl, nameOf(index))).streams).toBe(0)
  }
  const rows = (attacks: readonly OriginAttack[]): (readonly [string, number])[] =>
    attacks.map(attack => [attack.name, ATTACKS.indexOf(attack)] as const)

  it.for(rows(ORIGIN_FLOODS))(
    'that sends a flood of %s is asked a few times at the most, and does no further harm',
    { timeout: 30_000 },
    ([, index]) => check(index),
  )
  it.for(rows(ORIGIN_FAULTS))(
    'that sends %s is asked a few times at the most, and does no further harm',
    ([, index]) => check(index),
  )
  it.for(rows(MALFORMED_ANSWERS))(
    'that answers with %s is asked a few times at the most, and does no further harm',
    ([, index]) => check(index),
  )
  it.for(rows(ORIGIN_WHIMS))(
    'that %s is asked a few times at the most, and does no further harm',
    ([, index]) => check(index),
  )
  it.for(rows(SLOW))(
    'that %s in time is asked a few times at the most, and does no further harm',
    ([, index]) => check(index),
  )
})

const isHead = (line: string): boolean => line.startsWith('HEADERS')

describe('an HTTP/2 origin that plays with its windows', () => {
  it('keeps an upload waiting until timeouts.body, and holds nobody else up', async () => {
    await using origin = await startHttp2PeerOrigin({
      settings: { [SETTING.INITIAL_WINDOW_SIZE]: 0 },
      onRequest: (peer, streamId) => {
        if (streamId > 1) peer.answer(streamId)
      },
    })
    await using connector = await startConfiguredConnector({
      origins: { stingy: { url: origin.url, protocols: ['h2'], timeouts: { body: '1500ms' } } },
    })
    const upload = ask(connector.port, 'a.test', Buffer.alloc(100_000))
    await until(() => origin.peers.length === 1, 'its connection')
    const others = Array.from({ length: 5 }, async () => {
      await origin.peers[0]?.untilFrame(/^HEADERS 1$/)
      // Its window is closed, but an answer needs none of it.
      return await ask(connector.port, 'a.test')
    })
    expect(await upload).toMatchObject({ status: 504, code: 'MM_BODY_TIMEOUT' })
    expect((await Promise.all(others)).map(({ status }) => status)).toContain(200)
    expect(origin.peers).toHaveLength(1)
  })

  it('makes us send nothing while they are below zero, until they are open again', async () => {
    await using origin = await startHttp2PeerOrigin({
      settings: { [SETTING.INITIAL_WINDOW_SIZE]: 65_535 },
      onRequest: peer => {
        // The upload has begun under the old window.
        peer.onFrame = ({ type }) => {
          if (type !== 0) return
          peer.onFrame = undefined
          peer.send(settings({ [SETTING.INITIAL_WINDOW_SIZE]: 1 }))
          setTimeout(() => peer.send(settings({ [SETTING.INITIAL_WINDOW_SIZE]: 1_000_000 })), 200)
          setTimeout(() => peer.send(windowUpdate(0, 1_000_000)), 300)
        }
      },
    })
    await using connector = await startConfiguredConnector({
      origins: { fickle: { url: origin.url, protocols: ['h2'] } },
    })
    const upload = ask(connector.port, 'a.test', Buffer.alloc(500_000))
    await expect.poll(() => origin.peers.length).toBe(1)
    const peer = origin.peers[0]
    const uploaded = (): number =>
      (peer?.frames ?? [])
        .filter(({ type }) => type === 0)
        .reduce((sum, { payload }) => sum + payload.length, 0)
    await peer?.until(() => uploaded() === 500_000, 'the whole upload')
    const last = peer?.frames.findLast(({ type }) => type === 0)
    expect((last?.flags ?? 0) & FLAG.END_STREAM).toBe(1)
    peer?.answer(1)
    expect((await upload).status).toBe(200)
  })
})
