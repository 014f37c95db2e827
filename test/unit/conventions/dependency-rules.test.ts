import { readdirSync, readFileSync } from 'node:fs'
import { join, relative, sep } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'

type Files = readonly (readonly [path: string, text: string])[]
const { trespasses, staleRules } = (await import(
  new URL('../../../scripts/dependency-rules.mjs', import.meta.url).href
)) as {
  trespasses: (files: Files) => string[]
  staleRules: (paths: readonly string[]) => string[]
}

/** A file that imports another one. */
function importing(path: string, target: string, text = ''): Files {
  const specifier = relative(join(path, '..'), target).split(sep).join('/')
  const dotted = specifier.startsWith('.') ? specifier : `./${specifier}`
  return [
    [path, `import { x } from '${dotted}'\n${text}`],
    [target, ''],
  ]
}

describe('an import is refused', () => {
  it.each([
    ['src/base/errors.ts', 'src/pool/pool.ts'],
    ['src/pool/slot.ts', 'src/http/http1/connection.ts'],
    ['src/pool/pool.ts', 'src/connect/tcp/dial.ts'],
    ['src/pool/rules/dialing.ts', 'src/api/transport.ts'],
    ['src/select/plan.ts', 'src/pool/pool.ts'],
    ['src/select/choice/choice.ts', 'src/pool/pool.ts'],
    ['src/select/probe/probe.ts', 'src/origin/probing/tls-probe.ts'],
    ['src/state/store.ts', 'src/connect/tcp/dial.ts'],
    ['src/http/http1/codec/body-reader.ts', 'src/connect/tcp/dial.ts'],
    ['src/http/http2/session.ts', 'src/http/http1/connection.ts'],
    ['src/http/multiplex/stream.ts', 'src/http/http2/session.ts'],
    ['src/http/http3/connection.ts', 'src/quic/dial.ts'],
    ['src/http/hpack/hpack-decoder.ts', 'src/http/http2/session.ts'],
    ['src/quic/dial.ts', 'src/http/http3/session.ts'],
    ['src/quic/quiche/paths.ts', 'src/origin/origin-entry.ts'],
    ['src/connect/native/tcp-info.ts', 'src/connect/tcp/dial.ts'],
    ['src/connect/openssl/client-contexts.ts', 'src/connect/tcp/dial.ts'],
    ['src/connect/tcp/dial.ts', 'src/http/http1/connection.ts'],
    ['src/dns/address-cache.ts', 'src/select/plan.ts'],
    ['src/api/qlog/qlog-observer.ts', 'src/api/transport.ts'],
    ['src/origin/origin-entry.ts', 'src/exchange/replay-rules.ts'],
    ['src/exchange/replay-rules.ts', 'src/api/transport.ts'],
    ['src/api/transport.ts', 'src/ingress/listener.ts'],
    ['src/api/transport.ts', 'src/entry/events.ts'],
    ['src/ingress/listener.ts', 'src/pool/pool.ts'],
    ['src/service/index.ts', 'src/pool/pool.ts'],
    ['src/service/config/parse-config.ts', 'src/base/options/options.ts'],
    ['src/cli/main.ts', 'src/api/transport.ts'],
    ['src/bench/load/load-tally.ts', 'src/service/index.ts'],
    ['src/bench/report/html/charts/chart.ts', 'src/base/clock.ts'],
    ['src/bench/impair/packet-loss-model.ts', 'src/index.ts'],
  ])('from %s to %s', (path, target) => {
    expect(trespasses(importing(path, target))).toEqual([
      expect.stringContaining(`${path} imports ${target}`),
    ])
  })

  it('of a type as well', () => {
    const files: Files = [
      ['src/pool/slot.ts', "import type { Dial } from '../connect/tcp/dial.ts'"],
      ['src/connect/tcp/dial.ts', ''],
    ]
    expect(trespasses(files)).toHaveLength(1)
  })

  it('from a folder that the table does not know', () => {
    expect(trespasses([['src/new/a.ts', '']])).toEqual(['src/new/a.ts: no rule says what it may import'])
  })

  it('of a package that one file speaks to', () => {
    const text = "import { decode } from 'dns-packet'"
    expect(trespasses([['src/dns/address-lookup.ts', text]])).toHaveLength(1)
    expect(trespasses([['src/dns/records/dns-message.ts', text]])).toEqual([])
  })
})

describe('an import is allowed', () => {
  it.each([
    ['src/pool/pool.ts', 'src/base/events/connection.ts'],
    ['src/pool/rules/dialing.ts', 'src/pool/slot.ts'],
    ['src/connect/tcp/dial.ts', 'src/state/ticket-store.ts'],
    ['src/service/routes/route-table.ts', 'src/entry/events.ts'],
    ['src/service/lifecycle/process-faults.ts', 'src/base/guard.ts'],
    ['src/http/http2/session.ts', 'src/http/hpack/hpack-decoder.ts'],
    ['src/http/http3/session.ts', 'src/quic/engine.ts'],
    ['src/ingress/listener.ts', 'src/http/http1/codec/request-decoder.ts'],
    ['src/cli/bench/bench.ts', 'src/bench/run-url.ts'],
    ['bench/run.ts', 'src/pool/pool.ts'],
  ])('from %s to %s', (path, target) => {
    expect(trespasses(importing(path, target)).filter(line => line.startsWith(path))).toEqual([])
  })
})

describe('a pure file', () => {
  it.each([
    ['src/pool/slot.ts', "import { x } from 'node:net'", 'imports node:net'],
    ['src/pool/slot.ts', 'export const at = Date.now()', 'reads a clock'],
    ['src/pool/slot.ts', 'setTimeout(() => {}, 1)', 'reads a clock'],
    ['src/pool/slot.ts', 'export const r = Math.random()', 'draws a random number'],
    ['src/select/plan.ts', "import {\n  x,\n} from 'node:dns/promises'", 'imports node:dns/promises'],
    ['src/dns/records/dns-message.ts', "import { x } from 'node:dgram'", 'imports node:dgram'],
    ['src/bench/impair/stream-line.ts', "import { x } from 'node:net'", 'imports node:net'],
    ['src/http/http3/session.ts', 'export const at = performance.now()', 'reads a clock'],
  ])('%s is refused: %s', (path, text, complaint) => {
    expect(trespasses([[path, text]])).toEqual([expect.stringContaining(complaint)])
  })

  it.each([
    ['a type of a module with I/O', 'src/pool/slot.ts', "import type { Socket } from 'node:net'"],
    ['a word in a comment', 'src/pool/slot.ts', '// Date.now() is for drivers.'],
    ['a driver', 'src/pool/pool-driver.ts', 'export const at = Date.now()'],
    ['one of several drivers', 'src/http/http2/connection-output.ts', "import { x } from 'node:net'"],
    ['a file that is no part of it', 'src/connect/tcp/dial.ts', "import { x } from 'node:net'"],
  ])('may be %s', (_, path, text) => {
    expect(trespasses([[path, text]])).toEqual([])
  })
})

describe('the rules', () => {
  const root = fileURLToPath(new URL('../../..', import.meta.url))
  const files = readdirSync(join(root, 'src'), { recursive: true, encoding: 'utf8' })
    .filter(file => file.endsWith('.ts'))
    .map(file => [`src/${file.split(sep).join('/')}`, readFileSync(join(root, 'src', file), 'utf8')] as const)

  it('hold for every file of src/', () => {
    expect(trespasses(files)).toEqual([])
  })

  it('name nothing that is gone', () => {
    expect(staleRules(files.map(([path]) => path))).toEqual([])
    expect(staleRules([])).toContain('src/pool')
  })
})
