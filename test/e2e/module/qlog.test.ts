import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startQuickOrigin } from '../../../src/testing/origins.ts'
import { readTrace, type TraceRecord } from '../../support/json-sequence.ts'
import { runCli } from '../../support/spawn-cli.ts'
import { startConnector } from '../../support/start-connector.ts'
import { freePort } from '../../support/tcp-port.ts'
import { startTrustedOrigin, type TrustedOrigin } from '../../support/trusted-origin.ts'

let trusted: TrustedOrigin

beforeAll(async () => {
  trusted = await startTrustedOrigin('qlog')
})
afterAll(() => trusted[Symbol.asyncDispose]())

/** The one trace in a directory. */
function traceIn(path: string) {
  const names = readdirSync(path)
  expect(names).toEqual([expect.stringMatching(/^middlemile-.*\.sqlog$/)])
  const file = join(path, names[0]!)
  return { file, ...readTrace(readFileSync(file, 'utf8')) }
}

const named = (events: readonly TraceRecord[], name: string) => events.filter(event => event.name === name)

/** Every attempt to connect has one outcome, and what was selected had succeeded. */
function checkAttempts(events: readonly TraceRecord[]): void {
  const started = named(events, 'hev3:attempt_started').map(({ data }) => data['attempt_id'])
  const outcomes = named(events, 'hev3:attempt_outcome')
  expect(started.length).toBeGreaterThan(0)
  expect(outcomes.map(({ data }) => data['attempt_id'])).toEqual(started)
  const succeeded = outcomes.filter(({ data }) => data['result'] === 'success')
  expect(named(events, 'hev3:connection_selected').map(({ data }) => data['attempt_id'])).toEqual(
    succeeded.map(({ data }) => data['attempt_id']),
  )
}

/** From the start of the first attempt to its end. */
function spanOf(events: readonly TraceRecord[]): number {
  const [started] = named(events, 'hev3:attempt_started')
  const [ended] = named(events, 'hev3:attempt_outcome')
  return (ended?.time ?? 0) - (started?.time ?? 0)
}

describe('get --qlog', () => {
  it('leaves a private trace of the attempts, the connection and the requests', async () => {
    const { origin, caFile, directory } = trusted
    const traces = join(directory, 'of-get')
    const options = ['--ca', caFile, '--protocol', 'http/1.1', '-n', '3', '--qlog', traces]
    const { exitCode, stderr } = await runCli(['get', ...options, `${origin.url}/bytes/10?token=secret`])
    expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: '' })
    const { file, header, events } = traceIn(traces)
    expect(statSync(file).mode & 0o777).toBe(0o600)
    expect(header).toMatchObject({ serialization_format: 'application/qlog+json-seq' })
    checkAttempts(events)
    expect(named(events, 'hev3:attempt_started')).toMatchObject([
      { data: { transport: 'tcp', target: { port: origin.port }, lane: 'tcp' } },
    ])
    expect(named(events, 'middlemile:connection_opened')).toMatchObject([
      { group_id: new URL(origin.url).origin, data: { protocol: 'http/1.1', handshake: 'full' } },
    ])
    const [opened] = named(events, 'middlemile:connection_opened')
    const handshakeMs = Number(opened?.data['connect_ms']) + Number(opened?.data['tls_ms'])
    expect(spanOf(events), 'an attempt stands where it was').toBeGreaterThan(handshakeMs - 1)
    expect(named(events, 'middlemile:exchange_ended')).toMatchObject(
      [false, true, true].map(reused => ({
        data: { path: '/bytes/10', status: 200, lane: 'tcp', protocol: 'http/1.1', reused },
      })),
    )
    expect(readFileSync(file, 'utf8')).not.toContain('secret')
    for (const { time } of events) expect(time).toBeGreaterThanOrEqual(0)
  })

  it('reports a connection that failed', async () => {
    const traces = join(trusted.directory, 'of-nothing')
    const port = await freePort()
    const { exitCode } = await runCli(['get', '--qlog', traces, `http://127.0.0.1:${port}/`])
    expect(exitCode).toBe(1)
    const { events } = traceIn(traces)
    checkAttempts(events)
    expect(named(events, 'hev3:connection_aborted')[0]).toMatchObject({
      data: { reason: 'all attempts failed' },
    })
    expect(named(events, 'middlemile:connect_failed')[0]).toMatchObject({
      data: { code: 'MM_CONNECT_REFUSED' },
    })
  })
})

describe('a service with qlog', () => {
  it('traces connections and no requests, until it is closed', async () => {
    const traces = join(trusted.directory, 'of-service')
    const plain = await startQuickOrigin()
    try {
      {
        await using connector = await startConnector({
          origins: { shop: { url: plain.url, protocols: ['http/1.1'] } },
          qlog: { directory: traces },
        })
        for (let i = 0; i < 3; i++)
          expect(await (await fetch(`${connector.url}/bytes/5`)).text()).toHaveLength(5)
        const { events } = traceIn(traces)
        expect(events.length, 'still open').toBeLessThan(20)
      }
      const { events } = traceIn(traces)
      checkAttempts(events)
      expect(named(events, 'middlemile:connection_opened')).toHaveLength(1)
      expect(named(events, 'middlemile:connection_closed')).toMatchObject([{ data: { requests: 3 } }])
      expect(named(events, 'middlemile:exchange_ended')).toEqual([])
    } finally {
      await plain.close()
    }
  })

  it('starts without a trace where none can be written, and says so', async () => {
    const file = join(trusted.directory, 'a-file')
    writeFileSync(file, '')
    await using connector = await startConnector({
      origins: { shop: { url: 'http://127.0.0.1:9' } },
      qlog: { directory: join(file, 'below') },
    })
    expect(connector.log.filter(line => line.includes('no qlog in'))).toHaveLength(1)
  })
})
