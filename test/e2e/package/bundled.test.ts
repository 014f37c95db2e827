import { execFile } from 'node:child_process'
import { readdirSync, writeFileSync } from 'node:fs'
import { isBuiltin } from 'node:module'
import { basename, dirname, join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { promisify } from 'node:util'
import { build } from 'esbuild'
import { rolldown } from 'rolldown'
import { rollup } from 'rollup'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import webpack from 'webpack'
import {
  type CertificateAuthority,
  createCertificateAuthority,
  type IssuedCertificate,
} from '../../../src/testing/certificates.ts'
import { startHttp3Origin } from '../../../src/testing/http3-origin.ts'
import { startQuickOrigin, type TestOrigin } from '../../../src/testing/origins.ts'
import { type InstalledPackage, installPackage, linkModule } from '../../support/installed-package.ts'
import { requireQuic } from '../../support/require-quic.ts'
import { makeTemporaryDirectory } from '../../support/temporary-directory.ts'

/** Requests in each way, with a trace; what came of them as JSON. */
const PROGRAM = `
  import { readFileSync } from 'node:fs'
  import { createTransport } from 'middlemile'
  import { qlogObserver } from 'middlemile/events'
  import { request } from 'undici'
  async function main() {
    const [, , url, protocol] = process.argv
    const qlog = qlogObserver({ directory: 'qlog', onFault: console.error })
    const transport = createTransport({
      defaults: { protocols: [protocol], tls: { ca: readFileSync('ca.pem', 'utf8') }, tfo: 'on' },
      observer: qlog.observer,
    })
    const { status, info } = await transport.request(url + '/bytes/10').then(
      async response => (await response.dump(), response),
      error => ({ status: error.code }),
    )
    const web = await transport.fetch(url + '/bytes/10').then(response => response.text(), error => error.cause.code)
    const dispatched = await request(url + '/bytes/10', { dispatcher: transport.dispatcher() }).then(
      ({ body }) => body.text(), error => error.cause?.code ?? error.code)
    const { unavailable } = await transport.explain(url)
    await transport.close()
    qlog.close()
    console.log(JSON.stringify({ status, protocol: info?.protocol, web: web.length, dispatched: dispatched.length, unavailable }))
  }
  main()`

type Format = 'esm' | 'cjs'

async function withEsbuild(entry: string, file: string, format: Format): Promise<readonly unknown[]> {
  const { warnings } = await build({
    entryPoints: [entry],
    outfile: file,
    bundle: true,
    platform: 'node',
    format,
    // undici's own code is CommonJS, which needs this in any ES module that esbuild makes.
    ...(format === 'esm' && {
      banner: {
        js: "import { createRequire as requireFrom } from 'node:module'; const require = requireFrom(import.meta.url)",
      },
    }),
    logLevel: 'silent',
  })
  return warnings
}

/** It has the semantics of Rollup, and its plugins' interface. */
async function withRolldown(entry: string, file: string, format: Format): Promise<readonly unknown[]> {
  const warnings: unknown[] = []
  const bundle = await rolldown({
    input: entry,
    platform: 'node',
    onLog: (level, log) => void (level === 'warn' && warnings.push(log.message)),
  })
  await bundle.write({ file, format, codeSplitting: false })
  await bundle.close()
  return warnings
}

let installed: InstalledPackage
let authority: CertificateAuthority
let certificate: IssuedCertificate
let origin: TestOrigin
beforeAll(async () => {
  installed = await installPackage()
  writeFileSync(join(installed.directory, 'program.mjs'), PROGRAM)
  authority = await createCertificateAuthority()
  certificate = await authority.issue({ names: ['localhost'] })
  origin = await startQuickOrigin({ tls: certificate })
})
afterAll(async () => {
  await origin.close()
  installed[Symbol.dispose]()
})

describe.each([
  ['esbuild', withEsbuild, 'esm', 'mjs'],
  ['esbuild', withEsbuild, 'cjs', 'cjs'],
  ['rolldown', withRolldown, 'esm', 'mjs'],
  ['rolldown', withRolldown, 'cjs', 'cjs'],
] as const)('a program that %s has put into one file', (_bundler, bundled, format, extension) => {
  const folder = makeTemporaryDirectory('bundle')
  const file = join(folder.path, `program.${extension}`)
  beforeAll(async () => {
    writeFileSync(join(folder.path, 'ca.pem'), authority.cert)
    const warnings = await bundled(join(installed.directory, 'program.mjs'), file, format)
    expect(warnings).toEqual([])
  })
  afterAll(() => folder.remove())

  async function run(url: string, protocol: string): Promise<unknown> {
    const { stdout } = await promisify(execFile)(process.execPath, [file, url, protocol], {
      cwd: folder.path,
    })
    return JSON.parse(stdout)
  }

  it('makes requests over TLS without any package beside it, says what is missing, and writes traces', async () => {
    const url = origin.url.replace('127.0.0.1', 'localhost')
    const done = await run(url, 'http/1.1')
    expect(done).toMatchObject({ status: 200, protocol: 'http/1.1', web: 10, dispatched: 10 })
    expect(done).toMatchObject({
      unavailable: expect.arrayContaining([{ feature: 'TCP Fast Open', because: 'koffi is not installed' }]),
    })
    expect(readdirSync(join(folder.path, 'qlog')).filter(name => name.endsWith('.sqlog'))).toHaveLength(1)
  })

  it.skipIf(requireQuic())('makes requests over HTTP/3 where the native parts are beside it', async () => {
    const http3 = await startHttp3Origin({ tls: certificate })
    const url = http3.url.replace('127.0.0.1', 'localhost')
    try {
      const without = await run(url, 'h3')
      expect(without).toMatchObject({ status: 'MM_PROTOCOL_UNAVAILABLE' })
      expect(without).toMatchObject({
        unavailable: expect.arrayContaining([
          { feature: 'h3', because: 'HTTP/3 is off: @matrixai/quic is not installed' },
        ]),
      })
      for (const name of ['koffi', '@matrixai/quic']) linkModule(folder.path, name)
      expect(await run(url, 'h3')).toMatchObject({ status: 200, protocol: 'h3', web: 10, dispatched: 10 })
    } finally {
      await http3.close()
    }
  })
})

it('a program that does not use undici itself needs no banner as an ES module', async () => {
  const entry = join(installed.directory, 'small.mjs')
  const file = join(installed.directory, 'out', 'small.mjs')
  writeFileSync(
    entry,
    `import { createTransport } from 'middlemile'
     const transport = createTransport()
     const response = await transport.fetch(process.argv[2])
     console.log(response.status, await transport.request('http://nothing.invalid/').catch(error => error.code))
     await transport.close()`,
  )
  await build({
    entryPoints: [entry],
    outfile: file,
    bundle: true,
    platform: 'node',
    format: 'esm',
    logLevel: 'silent',
  })
  const plain = await startQuickOrigin()
  const { stdout } = await promisify(execFile)(process.execPath, [file, plain.url])
  await plain.close()
  expect(stdout.trim()).toBe('200 MM_DNS_FAILED')
})

/** Finds packages as Node does with `import`; users have @rollup/plugin-node-resolve for it. */
const nodeResolution = {
  name: 'node-resolution',
  resolveId: (id: string, importer: string | undefined) =>
    importer === undefined || isBuiltin(id) || /^[./]/.test(id)
      ? null
      : fileURLToPath(import.meta.resolve(id, pathToFileURL(importer).href)),
}

async function withRollup(entry: string, file: string, format: Format): Promise<readonly unknown[]> {
  const warnings: unknown[] = []
  const bundle = await rollup({
    input: entry,
    external: isBuiltin,
    plugins: [nodeResolution],
    onwarn: warning => void warnings.push(warning.message),
  })
  await bundle.write({ file, format, inlineDynamicImports: true })
  await bundle.close()
  return warnings
}

async function withWebpack(entry: string, file: string, format: Format): Promise<readonly unknown[]> {
  const compiler = webpack({
    mode: 'production',
    target: 'node20',
    entry,
    output: { path: dirname(file), filename: basename(file), ...(format === 'esm' && { module: true }) },
    experiments: { outputModule: format === 'esm' },
    optimization: { minimize: false },
    infrastructureLogging: { level: 'none' },
  })
  const stats = await promisify(compiler.run.bind(compiler))()
  await promisify(compiler.close.bind(compiler))()
  const { errors = [], warnings = [] } = stats?.toJson({ all: false, errors: true, warnings: true }) ?? {}
  return [...errors, ...warnings].map(({ message }) => message)
}

describe('a program that fetches over TLS', () => {
  it.each([
    ['Rollup', withRollup, 'esm', 'mjs'],
    ['Rollup', withRollup, 'cjs', 'cjs'],
    ['webpack', withWebpack, 'esm', 'mjs'],
    ['webpack', withWebpack, 'cjs', 'cjs'],
  ] as const)('works in a bundle of %s as well (%#)', async (_bundler, bundled, format, extension) => {
    const entry = join(installed.directory, 'fetching.mjs')
    const folder = makeTemporaryDirectory('bundle') // no package lies beside the one file
    const file = join(folder.path, `fetching.${extension}`)
    writeFileSync(join(folder.path, 'ca.pem'), authority.cert)
    writeFileSync(
      entry,
      `import { readFileSync } from 'node:fs'
       import { createTransport } from 'middlemile'
       const transport = createTransport({ defaults: { tls: { ca: readFileSync('ca.pem', 'utf8') }, tfo: 'on' } })
       transport.fetch(process.argv[2] + '/bytes/10').then(async response => {
         console.log(response.status, (await response.text()).length)
         await transport.close()
       })`,
    )
    expect(await bundled(entry, file, format)).toEqual([])
    const url = origin.url.replace('127.0.0.1', 'localhost')
    const { stdout } = await promisify(execFile)(process.execPath, [file, url], { cwd: folder.path })
    expect(stdout.trim()).toBe('200 10')
    folder.remove()
  })
})
