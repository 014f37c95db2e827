import { execFile } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createCertificateAuthority } from '../../../src/testing/certificates.ts'
import { startQuickOrigin, type TestOrigin } from '../../../src/testing/origins.ts'
import { type InstalledPackage, installPackage, linkModule } from '../../support/installed-package.ts'

const TSC = fileURLToPath(new URL('../../../node_modules/typescript/bin/tsc', import.meta.url))

/** The package as it is published, in a user's folder, used in every way that the documents name. */
describe('the installed package', () => {
  let installed: InstalledPackage
  let origin: TestOrigin
  beforeAll(async () => {
    const authority = await createCertificateAuthority()
    installed = await installPackage()
    writeFileSync(join(installed.directory, 'ca.pem'), authority.cert)
    origin = await startQuickOrigin({ tls: await authority.issue({ names: ['localhost'] }) })
  })
  afterAll(async () => {
    await origin.close()
    installed[Symbol.dispose]()
  })

  /** What a program in that folder writes to stdout; it has to end by itself with 0. */
  async function run(file: string, text: string, ...args: string[]): Promise<string> {
    writeFileSync(join(installed.directory, file), text)
    const command = [file, origin.url.replace('127.0.0.1', 'localhost'), ...args]
    const { stdout } = await promisify(execFile)(process.execPath, command, { cwd: installed.directory })
    return stdout.trim()
  }

  const REQUEST = `
    const ca = readFileSync('ca.pem', 'utf8')
    const transport = createTransport({ defaults: { tls: { ca } } })
    const { status } = await transport.request(process.argv[2] + '/bytes/10')
    const web = await transport.fetch(process.argv[2] + '/bytes/10')
    console.log(status, web.status, (await web.text()).length)
    await transport.close()`

  it('can be imported', async () => {
    const head = "import { readFileSync } from 'node:fs'\nimport { createTransport } from 'middlemile'"
    expect(await run('esm.mjs', `${head}\n${REQUEST}`)).toBe('200 200 10')
  })

  it('can be required, and is the same module then', async () => {
    const program = `
      const { readFileSync } = require('node:fs')
      const { createTransport, TransportError } = require('middlemile')
      const main = async () => {
        ${REQUEST}
        console.log((await import('middlemile')).TransportError === TransportError)
      }
      main()`
    expect(await run('cjs.cjs', program)).toBe('200 200 10\ntrue')
  })

  it('accepts undefined for every option that is not given, of a transport and of a service', async () => {
    const program = `
      import { createTransport } from 'middlemile'
      import { startService } from 'middlemile/service'
      const none = undefined
      const transport = createTransport({
        defaults: none, origins: none, limits: { maxTotalConnections: none, dialShare: none }, egress: none, state: none,
        tickets: { maxPeers: none }, resolver: { networkCheckMs: none, dnsRefreshMs: none }, dnsServers: none,
        resolve: none, observer: none, keylog: none,
      })
      const service = await startService({
        listen: [{ address: '127.0.0.1:0', tls: none, protocols: none, fastOpen: none }], admin: 'off', workers: none,
        log: { level: 'silent', format: none }, ingress: { maxConnections: none }, limits: none, defaults: none,
        origins: { one: { url: process.argv[2], hosts: none, pool: { warm: none }, tls: { ca: none } } }, routes: none,
      }, { directory: none, logTo: none })
      console.log(service.addresses.length, transport.stats().pools.length)
      await Promise.all([transport.close(), service.close()])`
    expect(await run('undefined.mjs', program)).toBe('1 0')
  })

  it('has every entry point for import and for require', async () => {
    const program = `
      const manifest = require('middlemile/package.json')
      const main = async () => {
        for (const subpath of Object.keys(manifest.exports).filter(name => !name.endsWith('.json'))) {
          const name = subpath.replace('.', 'middlemile')
          const names = [Object.keys(await import(name)), Object.keys(require(name))]
          if (names[0].length === 0 || names.some(list => list.filter(one => one !== '__esModule').join() !== names[0].join()))
            console.log(name, ...names)
        }
      }
      main()`
    expect(await run('entries.cjs', program)).toBe('')
  })

  it('has a command line', async () => {
    const cli = join('node_modules', 'middlemile', installed.manifest.bin.middlemile)
    const program = `process.argv.splice(1, 2, '${cli}')\nimport('./${cli}')`
    const output = await run(
      'cli.mjs',
      program,
      'get',
      '--json',
      '--ca',
      'ca.pem',
      `${origin.url.replace('127.0.0.1', 'localhost')}/bytes/10`,
    )
    expect(JSON.parse(output.split('\n', 1)[0] ?? '')).toMatchObject({ status: 200, bytes: 10 })
  })

  it('reads the configuration of a service', async () => {
    const cli = join('node_modules', 'middlemile', installed.manifest.bin.middlemile)
    const file = join(installed.directory, 'middlemile.yaml')
    writeFileSync(
      file,
      'listen: [{ address: 127.0.0.1:8080 }]\norigins: { shop: { url: https://origin.example } }\n',
    )
    const program = `process.argv.splice(1, 2, '${cli}')\nimport('./${cli}')`
    expect(await run('cli.mjs', program, 'serve', '--check', '-c', file)).toContain('good, 1 origin')
  })

  describe.each([
    ['20', '@types/node'],
    ['22', 'node-types-22'],
    ['24', 'node-types-24'],
  ])('with the types of Node %s', (version, types) => {
    /** What the compiler says, with every check on, those of declaration files among them. */
    async function complaints(module: string, files: Readonly<Record<string, string>>): Promise<string> {
      const directory = join(installed.directory, `types-${version}-${module}`)
      mkdirSync(join(directory, 'node_modules'), { recursive: true })
      linkModule(directory, '@types/node', types)
      for (const [name, text] of Object.entries(files)) writeFileSync(join(directory, name), text)
      const compilerOptions = {
        module,
        target: 'es2022',
        lib: ['es2023', 'esnext.disposable'],
        types: ['node'],
        strict: true,
        exactOptionalPropertyTypes: true,
        noUncheckedIndexedAccess: true,
        skipLibCheck: false,
        noEmit: true,
        typeRoots: [join(directory, 'node_modules', '@types')], // for what packages refer to as well
      }
      const config = { compilerOptions, files: Object.keys(files) }
      writeFileSync(join(directory, 'tsconfig.json'), JSON.stringify(config))
      const { stdout } = await promisify(execFile)(process.execPath, [TSC, '-p', directory]).catch(
        (error: { stdout: string }) => error, // the compiler found something
      )
      return stdout
    }

    /** `undefined` stands for what is not given wherever an option may be left out, however deep. */
    const LOOSE = `
        import type * as api from 'middlemile'
        import type * as events from 'middlemile/events'
        import type * as service from 'middlemile/service'
        type Whole = Function | Uint8Array | AbortSignal | readonly unknown[]
        type Loose<T> = T extends Whole ? T : T extends object ? {
          [K in keyof T]: string extends K ? Loose<T[K]> : {} extends Pick<T, K> ? Loose<T[K]> | undefined : Loose<T[K]>
        } : T
        export const loose = <T,>(given: Loose<T>): Loose<T> => given
        export const transportOptions: api.TransportOptions = loose<api.TransportOptions>({})
        export const requestOptions: Omit<api.RequestOptions, 'body' | 'headers'> =
          loose<Omit<api.RequestOptions, 'body' | 'headers'>>({})
        export const bodies: Pick<api.RequestOptions, 'body' | 'headers'> = { body: undefined, headers: undefined }
        export const fetchInit: Pick<api.FetchInit, 'earlyData'> = { earlyData: undefined }
        export const dispatcherOptions: api.DispatcherOptions = loose<api.DispatcherOptions>({})
        export const migrateOptions: api.MigrateOptions = loose<api.MigrateOptions>({})
        export const sizing = (input: Loose<api.SizingInput>): api.SizingInput => input
        export const qlog = (options: Loose<Omit<events.QlogOptions, 'clock'>>): Omit<events.QlogOptions, 'clock'> => options
        export const config = (given: Loose<service.ServiceConfig>): service.ServiceConfig => given
        export const start = (options: Loose<Omit<service.StartOptions, 'logTo'>>): service.StartOptions => options
        export const noLog: service.StartOptions = { logTo: undefined }
        `

    it('compiles what README and module-api.md show, under strict settings', async () => {
      const program = `
        import { createTransport, type RequestOptions, type TransportDispatcher } from 'middlemile'
        import { DEFAULT_POOL_OPTIONS } from 'middlemile/options'
        import { startService } from 'middlemile/service'
        import * as undici from 'undici'
        await using transport = createTransport({ defaults: { pool: { warm: 2 } } })
        const dispatcher: TransportDispatcher = transport.dispatcher()
        const url = 'https://origin.example/'
        await fetch(url, { dispatcher })
        await fetch(url, { dispatcher: transport.dispatcher({ earlyData: true }), method: 'GET' })
        await undici.fetch(url, { dispatcher })
        await undici.request(url, { dispatcher: dispatcher.compose(undici.interceptors.retry()) })
        undici.setGlobalDispatcher(dispatcher)
        const given: { signal?: AbortSignal } = {}
        await transport.request(url, { signal: given.signal })
        const all: RequestOptions = { method: undefined, headers: undefined, body: undefined, signal: undefined, earlyData: undefined }
        await transport.request(new URL(url), all)
        await transport.probe(url, { signal: given.signal })
        const response: Response = await transport.fetch(new Request(url), { signal: given.signal ?? null })
        console.log(response.status, DEFAULT_POOL_OPTIONS.maxConnections, startService)`
      expect(await complaints('nodenext', { 'program.mts': program, 'loose.mts': LOOSE })).toBe('')
    })

    it('compiles a CommonJS file under node16', async () => {
      const program = `
        import { createTransport, TransportError } from 'middlemile'
        import { FakeClock } from 'middlemile/testing'
        const transport = createTransport()
        void fetch('https://origin.example/', { dispatcher: transport.dispatcher() })
        transport.request('https://origin.example/').catch(error => error instanceof TransportError && error.code)
        console.log(new FakeClock())`
      expect(await complaints('node16', { 'program.cts': program, 'loose.cts': LOOSE })).toBe('')
    })

    it('refuses names that do not exist', async () => {
      const program = `
        import { createTransport } from 'middlemile'
        createTransport({ defaults: { pool: { maxConection: 2 } } })
        void fetch('https://origin.example/', { dispatcher: 1 })`
      expect((await complaints('nodenext', { 'wrong.mts': program })).match(/error TS\d+/g)).toHaveLength(2)
    })
  })
})
