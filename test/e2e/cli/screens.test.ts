import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createCertificateAuthority } from '../../../src/testing/certificates.ts'
import { startQuickOrigin, type TestOrigin } from '../../../src/testing/origins.ts'
import { atTerminal, requirePseudoTerminal } from '../../support/pseudo-terminal.ts'
import { runCli } from '../../support/spawn-cli.ts'
import { freePort } from '../../support/tcp-port.ts'
import { makeTemporaryDirectory, type TemporaryDirectory } from '../../support/temporary-directory.ts'

const CLI = fileURLToPath(new URL('../../../dist/cli.js', import.meta.url))
const missing = requirePseudoTerminal()

let directory: TemporaryDirectory
let origin: TestOrigin
let caFile: string
/** Where nobody listens. */
let refusedUrl: string

beforeAll(async () => {
  directory = makeTemporaryDirectory('screens')
  const authority = await createCertificateAuthority()
  caFile = join(directory.path, 'ca.pem')
  writeFileSync(caFile, authority.cert)
  refusedUrl = `https://localhost:${await freePort()}/`
  origin = await startQuickOrigin({ tls: await authority.issue({ names: ['localhost'] }) })
  await runCli(['get', '--ca', caFile, '--state', join(directory.path, 'state'), origin.url])
})

afterAll(async () => {
  await origin.close()
  directory.remove()
})

/** The lines as they were written, without styles: a row that the terminal had to wrap is one of them. */
function written(output: string): string[] {
  return output.replaceAll(/\p{Cc}\[[\d;]*m/gu, '').split(/\r?\n/)
}

describe.each([
  ['explain without state', 0, () => ['explain', '--ca', caFile, origin.url]],
  [
    'explain of an origin that it knows',
    0,
    () => ['explain', '--ca', caFile, '--state', join(directory.path, 'state'), origin.url],
  ],
  ['probe', 0, () => ['probe', '--ca', caFile, origin.url]],
  ['probe of an origin that is not trusted', 0, () => ['probe', origin.url]],
  ['get of an origin that is not trusted', 1, () => ['get', origin.url]],
  ['get of several that fail', 1, () => ['get', `${origin.url}/${'long-'.repeat(9)}`, refusedUrl]],
] as const)('%s', (_what, exitCode, argsOf) => {
  it.for([80, 120])(
    'writes no row that is wider than a terminal of %i columns, in colors',
    async (columns, ctx) => {
      ctx.skip(missing !== undefined, missing)
      await using session = atTerminal([process.execPath, CLI, ...argsOf()], { columns })
      expect(await session.exited).toBe(exitCode)
      for (const row of written(session.output)) expect(row.length, row).toBeLessThanOrEqual(columns)
      expect(session.output).toContain('\x1b[')
    },
  )

  it('has no colors with NO_COLOR, and none in a pipe', async ctx => {
    ctx.skip(missing !== undefined, missing)
    const args = argsOf()
    await using plain = atTerminal(
      [process.execPath, CLI, ...args],
      { columns: 80 },
      { env: { NO_COLOR: '1' } },
    )
    expect(await plain.exited).toBe(exitCode)
    expect(plain.output).not.toContain('\x1b[')
    const { stdout, stderr } = await runCli(args)
    expect(stdout + stderr).not.toContain('\x1b[')
  })
})
