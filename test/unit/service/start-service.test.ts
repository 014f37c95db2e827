import { describe, expect, it } from 'vitest'
import { startService, startServiceFromFile } from '../../../src/service/index.ts'
import { isAddressInUse, listenFailure } from '../../../src/service/lifecycle/listen-failure.ts'

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

  it('rejects a file that is not there, by its name', async () => {
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
