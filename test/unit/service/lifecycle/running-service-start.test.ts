import { describe, expect, it } from 'vitest'
import { parseConfig } from '../../../../src/service/config/parse-config.ts'
import { DEFAULT_LOG } from '../../../../src/service/config/service-settings.ts'
import { startService, startServiceFromFile } from '../../../../src/service/index.ts'
import { isAddressInUse, listenFailure } from '../../../../src/service/lifecycle/listen-failure.ts'
import { RunningService, type SettingsResult } from '../../../../src/service/lifecycle/running-service.ts'
import { logTo } from '../../../../src/service/logging/service-log.ts'

describe('startService', () => {
  it('rejects a bad configuration with every fault, before it opens anything', async () => {
    const bad = startService({ listen: [], origins: { a: { url: 'ftp://a' } } })
    await expect(bad).rejects.toMatchObject({
      code: 'MM_CONFIG_INVALID',
      message: [
        'listen: must have at least 1 entry',
        'origins.a.url: must be an http or https URL, not "ftp://a"',
      ].join('\n'),
    })
  })

  it('rejects a missing file by its name', async () => {
    await expect(startServiceFromFile('/absent.yaml')).rejects.toMatchObject({
      code: 'MM_CONFIG_INVALID',
      message: expect.stringMatching(/^\/absent\.yaml: cannot read the configuration: ENOENT/),
    })
  })
})

describe('a server that cannot be opened', () => {
  it('is named with its address and the reason', () => {
    const inUse = Object.assign(new Error('listen EADDRINUSE'), { code: 'EADDRINUSE' })
    expect(isAddressInUse(inUse)).toBe(true)
    expect(listenFailure('a listener', { host: '::1', port: 80 }, inUse)).toMatchObject({
      code: 'MM_LISTEN_FAILED',
      message: 'cannot open a listener on [::1]:80: the address is in use',
      cause: inUse,
    })
    const other = new Error('something else')
    expect(isAddressInUse(other)).toBe(false)
    expect(listenFailure('the admin server', { host: '', port: 80 }, other).message).toBe(
      'cannot open the admin server on :80: something else',
    )
  })
})

describe('reloads at the same time', () => {
  const read = (names: readonly string[]) => {
    const origins = Object.fromEntries(
      names.map(name => [name, { url: `http://${name}.test`, hosts: [name] }]),
    )
    const parsed = parseConfig({ listen: [{ address: '127.0.0.1:0' }], admin: 'off', origins }, '.')
    if (!parsed.ok) throw new Error(JSON.stringify(parsed.faults))
    return parsed
  }

  it('are done one after the other, and the last one stays, however long the one before took to read', async () => {
    let finishSlow = (_result: SettingsResult): void => {}
    const slow = new Promise<SettingsResult>(resolve => {
      finishSlow = resolve
    })
    const reads: (() => Promise<SettingsResult>)[] = [
      () => slow,
      () => Promise.reject(new Error('no file')),
      async () => read(['a', 'b', 'c']),
    ]
    const lines: string[] = []
    const log = logTo(DEFAULT_LOG, { write: line => void lines.push(line) })
    await using service = await RunningService.start(read(['a']).settings, {
      log,
      read: () => reads.shift()!(), // one for each reload
      onTooManyFaults: undefined,
      returnsMemory: false,
    })
    const reloads = [service.reload(), service.reload(), service.reload()]
    await new Promise(resolve => setImmediate(resolve))
    finishSlow(read(['a', 'b']))
    expect((await Promise.allSettled(reloads)).map(({ status }) => status)).toEqual([
      'fulfilled',
      'rejected',
      'fulfilled',
    ])
    const counts = lines.map(line => /reloaded: (\d) origins/.exec(line)?.[1]).filter(count => count)
    expect(counts).toEqual(['2', '3'])
  })
})
