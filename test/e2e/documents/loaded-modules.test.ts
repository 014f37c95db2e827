import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { describe, expect, it } from 'vitest'
import { startQuickOrigin } from '../../../src/testing/origins.ts'

/** Writes every URL that the ES module loader resolves to a port. Runs in the loader's own thread. */
const HOOKS = `
  let port
  export function initialize(data) { port = data.port }
  export async function resolve(specifier, context, next) {
    const resolved = await next(specifier, context)
    port.postMessage(resolved.url)
    return resolved
  }`

/** Ends with a line of JSON: every module that was loaded, those that came by require() among them. */
const RECORD = `
  import { createRequire, register } from 'node:module'
  import { MessageChannel } from 'node:worker_threads'
  const { port1, port2 } = new MessageChannel()
  const loaded = new Set()
  port1.on('message', url => loaded.add(url))
  port1.unref()
  register('data:text/javascript,' + encodeURIComponent(${JSON.stringify(HOOKS)}), { data: { port: port2 }, transferList: [port2] })
  globalThis.printLoaded = async () => {
    await import('data:text/javascript,export default 0') // comes last to the port, as those before it have
    await new Promise(resolve => setTimeout(resolve, 50))
    console.log(JSON.stringify([...loaded, ...Object.keys(createRequire(process.cwd() + '/').cache)]))
  }`

/** The packages of node_modules that a program has loaded at its end. */
async function packagesLoadedBy(program: string): Promise<{ packages: string[]; ours: number }> {
  const { stdout } = await promisify(execFile)(
    process.execPath,
    [
      '--import',
      `data:text/javascript,${encodeURIComponent(RECORD)}`,
      '--input-type=module',
      '-e',
      `${program}\nawait printLoaded()`,
    ],
    { cwd: new URL('../../../', import.meta.url), timeout: 60_000 },
  )
  const loaded = JSON.parse(stdout.trim().split('\n').at(-1) ?? '') as string[] // what RECORD prints
  const packages = loaded.flatMap(path => /node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(path)?.[1] ?? [])
  return {
    packages: [...new Set(packages)].sort(),
    ours: loaded.filter(path => path.includes('/dist/')).length,
  }
}

describe('what an embedder of the module loads', () => {
  it('is nothing but the optional native calls, for a request to an address over HTTP/1.1', async () => {
    const origin = await startQuickOrigin()
    const { packages, ours } = await packagesLoadedBy(`
      import { createTransport } from './dist/index.js'
      const transport = createTransport()
      const response = await transport.request('${origin.url}/bytes/10')
      if ((await response.bytes()).length !== 10) throw new Error('not ten bytes')
      await transport.close()`)
    await origin.close()
    expect(packages.filter(name => !name.includes('koffi'))).toEqual([])
    expect(ours).toBeGreaterThan(0) // the recorder saw what was loaded
    expect(ours).toBeLessThan(20)
  })

  it('is no package for a dispatcher either, since the bundle contains the parts of undici', async () => {
    const { packages } = await packagesLoadedBy(
      "import { createTransport } from './dist/index.js'\nawait createTransport().dispatcher().close()",
    )
    expect(packages).toEqual([])
  })

  it('is what the service needs, once the service is imported', async () => {
    const { packages } = await packagesLoadedBy("import './dist/service.js'")
    expect(packages).toEqual(expect.arrayContaining(['pino', 'prom-client', 'zod']))
    expect(packages, 'for whoever has a file').not.toContain('yaml')
    expect(packages).not.toContain('@redis/client')
  })

  it.each([
    ['no client of Redis, where it runs without state.redis', '{}', false],
    ['the client of Redis, where state.redis is set', "{ redis: { url: 'redis://127.0.0.1:1' } }", true],
  ])('is %s', async (_, state, isLoaded) => {
    const { packages } = await packagesLoadedBy(`
      import { startService } from './dist/service.js'
      const redis = ${state}
      const service = await startService(
        {
          listen: [{ address: '127.0.0.1:0' }],
          admin: 'off',
          origins: { a: { url: 'http://127.0.0.1:1', protection: { maxConnections: 1 } } },
          ...('redis' in redis && { state: redis }),
        },
        { logTo: { write() {} } },
      )
      await service.close()`)
    expect(packages).toContain('pino')
    expect(packages.includes('@redis/client')).toBe(isLoaded)
  })
})
