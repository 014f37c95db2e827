import { execFileSync } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

const root = fileURLToPath(new URL('../../..', import.meta.url))

/** Each line breaks one wall, and only that one. */
const TRESPASSES: [file: string, code: string, complaint: string][] = [
  ['src/pool/a.ts', "import { x } from '../http1/x.ts'", 'wall: pool/'],
  ['src/pool/pool.ts', "import { x } from '../tcp/x.ts'", 'wall: pool/'],
  ['src/pool/b.ts', "import { x } from '../transport.ts'", 'wall: pool/'],
  ['src/pool/c.ts', "import { x } from 'node:net'", 'pure: a driver does the I/O'],
  ['src/pool/d.ts', 'export const at = Date.now()', 'pure: `now` is an argument'],
  ['src/pool/e.ts', 'setTimeout(() => {}, 1)', 'pure: `now` is an argument'],
  ['src/pool/f.ts', 'export const r = Math.random()', 'pure: randomness is an argument'],
  ['src/select/a.ts', "import { x } from '../pool/x.ts'", 'wall: select/'],
  ['src/select/plan.ts', "import { x } from 'node:dns'", 'pure: a driver does the I/O'],
  ['src/memory/a.ts', "import { x } from '../tcp/x.ts'", 'wall: memory/'],
  ['src/memory/b.ts', "import { x } from 'node:fs'", 'pure: a driver does the I/O'],
  ['src/memory/file-records.ts', "import { x } from '../tcp/x.ts'", 'wall: memory/'],
  ['src/http1/a.ts', "import { x } from '../pool/x.ts'", 'wall: a protocol'],
  ['src/http1/a.ts', "import { x } from '../tcp/x.ts'", 'wall: a protocol'],
  ['src/http1/b.ts', "import { x } from 'node:tls'", 'pure: a driver does the I/O'],
  ['src/http2/a.ts', "import { x } from '../http1/x.ts'", 'wall: a protocol'],
  ['src/http2/b.ts', "import { x } from 'node:http2'", 'pure: a driver does the I/O'],
  ['src/http2/c.ts', 'export const at = Date.now()', 'pure: `now` is an argument'],
  ['src/http2/connection.ts', "import { x } from '../tcp/x.ts'", 'wall: a protocol'],
  ['src/multiplex/a.ts', "import { x } from '../http2/x.ts'", 'wall: multiplex/'],
  ['src/multiplex/b.ts', "import { x } from 'node:net'", 'pure: a driver does the I/O'],
  ['src/multiplex/connection.ts', "import { x } from '../http3/x.ts'", 'wall: multiplex/'],
  ['src/http3/a.ts', "import { x } from '../quic/dial.ts'", 'wall: http3/'],
  ['src/http3/b.ts', "import { x } from '../http2/x.ts'", 'wall: http3/'],
  ['src/http3/c.ts', 'export const at = Date.now()', 'pure: `now` is an argument'],
  ['src/http3/connection.ts', "import { x } from '../quic/client-link.ts'", 'wall: http3/'],
  ['src/quic/a.ts', "import { x } from '../http3/x.ts'", 'wall: quic/'],
  ['src/quic/quiche/a.ts', "import { x } from '../../transport/x.ts'", 'wall: quic/'],
  ['src/quic/b.ts', 'export const r = Math.random()', 'pure: randomness is an argument'],
  ['src/header-compression/a.ts', "import { x } from '../http2/x.ts'", 'wall: header-compression/'],
  ['src/header-compression/b.ts', "import { x } from 'node:net'", 'pure: a driver does the I/O'],
  ['src/qlog/a.ts', "import { x } from '../transport/x.ts'", 'wall: qlog/'],
  ['src/qlog/b.ts', "import { x } from 'node:fs'", 'pure: a driver does the I/O'],
  ['src/qlog/c.ts', 'export const at = Date.now()', 'pure: `now` is an argument'],
  ['src/qlog/qlog-file.ts', "import { x } from '../transport.ts'", 'wall: qlog/'],
  ['src/tcp/a.ts', "import { x } from '../http1/x.ts'", 'wall: tcp/'],
  ['src/native/a.ts', "import { x } from '../tcp/x.ts'", 'wall: native/'],
  ['src/openssl/a.ts', "import { x } from '../tcp/x.ts'", 'wall: openssl/'],
  ['src/openssl/b.ts', "import { x } from 'node:net'", 'pure: a driver does the I/O'],
  ['src/dns/a.ts', "import { x } from '../pool/x.ts'", 'wall: dns/'],
  ['src/dns/b.ts', "import { x } from '../select/plan.ts'", 'wall: dns/'],
  ['src/dns/c.ts', "import { x } from 'dns-packet'", 'wall: dns-packet'],
  ['src/select/b.ts', "import { x } from 'dns-packet'", 'wall: dns-packet'],
  ['src/select/dns/dns-message.ts', "import { x } from 'node:dgram'", 'pure: a driver does the I/O'],
  ['src/probe/a.ts', "import { x } from '../select/probe/probe.ts'", 'wall: probe/'],
  ['src/probe/b.ts', "import { x } from '../quic/dial.ts'", 'wall: probe/'],
  ['src/probe/version-probe-packet.ts', "import { x } from 'node:dgram'", 'pure: a driver does the I/O'],
  ['src/probe/version-probe-packet.ts', "import { x } from '../transport/x.ts'", 'wall: probe/'],
  ['src/select/probe/probe.ts', "import { x } from '../../probe/x.ts'", 'wall: select/'],
  ['src/select/choice/a.ts', "import { x } from '../../pool/x.ts'", 'wall: select/'],
  ['src/select/record/a.ts', "import { x } from 'node:fs'", 'pure: a driver does the I/O'],
  ['src/transport/a.ts', "import { x } from '../service/x.ts'", 'wall: the transport'],
  ['src/transport.ts', "import { x } from './ingress/x.ts'", 'wall: the transport'],
  ['src/transport/b.ts', "import { x } from '../entry/events.ts'", 'wall: the transport'],
  ['src/ingress/a.ts', "import { x } from '../pool/x.ts'", 'wall: ingress/'],
  ['src/service/a.ts', "import { x } from '../pool/x.ts'", 'wall: the service'],
  ['src/service/a.ts', "import { x } from '../errors.ts'", 'wall: the service'],
  ['src/service/config/a.ts', "import { x } from '../../options.ts'", 'wall: the service'],
  ['src/cli/a.ts', "import { x } from '../transport.ts'", 'wall: the command line'],
  ['src/bench/a.ts', "import { x } from '../transport.ts'", 'wall: the bench'],
  ['src/bench/load/a.ts', "import { x } from '../../pool/x.ts'", 'wall: the bench'],
  ['src/bench/load/b.ts', "import { x } from '../../service/index.ts'", 'wall: the bench'],
  ['src/bench/report/html/a.ts', "import { x } from '../../../clock.ts'", 'wall: the bench'],
  ['src/bench/report/html/charts/a.ts', "import { x } from '../../../../cli/x.ts'", 'wall: the bench'],
  ['src/impair/a.ts', "import { x } from '../quic/x.ts'", 'wall: impair/'],
  ['src/impair/fate.ts', "import { x } from '../quic/x.ts'", 'wall: impair/'],
  ['src/impair/stream-line.ts', "import { x } from 'node:net'", 'pure: a driver does the I/O'],
  ['src/impair/rate-queue.ts', 'export const at = Date.now()', 'pure: `now` is an argument'],
  ['src/impair/b.ts', "import { x } from '../index.ts'", 'wall: impair/'],
  ['src/errors.ts', "import { x } from './pool/x.ts'", 'wall: a base file'],
  ['src/ring-a.ts', "import { b } from './ring-b.ts'\nexport const a: unknown = () => b", 'no-cycle'],
]

describe('the walls', () => {
  let house: string

  beforeAll(() => {
    house = mkdtempSync(join(tmpdir(), 'walls-'))
    cpSync(join(root, '.oxlintrc.json'), join(house, '.oxlintrc.json'))
    symlinkSync(join(root, 'node_modules'), join(house, 'node_modules'))
    TRESPASSES.forEach(([file, code], index) => {
      // Files of one name cannot live in one house: each trespass gets a floor of its own.
      write(join(house, String(index), file), `${code}\nexport { x } from './x.ts'\n`)
      cpSync(join(house, '.oxlintrc.json'), join(house, String(index), '.oxlintrc.json'))
    })
    write(
      join(house, String(TRESPASSES.length - 1), 'src/ring-b.ts'),
      "import { a } from './ring-a.ts'\nexport const b: unknown = () => a\n",
    )
  })

  afterAll(() => rmSync(house, { recursive: true, force: true }))

  it.each(TRESPASSES.map(([file, code, complaint], index) => ({ file, code, complaint, index })))(
    'stop $file from: $code',
    ({ file, complaint, index }) => {
      expect(lint(join(house, String(index)), file)).toContain(complaint)
    },
  )

  it('let through what is allowed', () => {
    const allowed: [string, string][] = [
      [
        'src/pool/pool.ts',
        "import { x } from '../connection.ts'\nimport { y } from './pool-state.ts'\nexport const z = [x, y]",
      ],
      [
        'src/tcp/dial.ts',
        "import { x } from '../memory/ticket-store.ts'\nimport { y } from 'node:net'\nexport const z = [x, y]",
      ],
      [
        'src/service/routes/a.ts',
        "import { x } from '../../index.ts'\nimport { y } from '../config/b.ts'\nimport { w } from '../../entry/events.ts'\nexport const z = [x, y, w]",
      ],
      ['src/service/routes/b.ts', "import { guarded } from '../../guard.ts'\nexport const z = guarded"],
      ['src/http2/d.ts', "import { x } from '../header-compression/x.ts'\nexport const z = x"],
      ['src/http2/connection.ts', "import { x } from 'node:net'\nexport const z = x"],
      ['src/http3/a.ts', "import type { x } from '../quic/engine.ts'\nexport const z: x = 1"],
      [
        'src/quic/quiche/a.ts',
        "import { x } from '../engine.ts'\nimport { y } from '../../errors.ts'\nexport const z = [x, y]",
      ],
      ['src/memory/private-files.ts', "import { x } from 'node:fs'\nexport const z = x"],
      ['src/memory/record-directory.ts', "import { x } from 'node:fs'\nexport const z = [x, Date.now()]"],
      ['src/qlog/qlog-file.ts', "import { x } from 'node:fs'\nexport const z = [x, Date.now()]"],
      ['src/ingress/a.ts', "import { x } from '../http1/x.ts'\nexport const z = x"],
      [
        'src/dns/a.ts',
        "import { x } from '../select/dns/dns-message.ts'\nimport { y } from 'node:dgram'\nexport const z = [x, y]",
      ],
      ['src/select/dns/dns-message.ts', "import { x } from 'dns-packet'\nexport const z = x"],
      ['src/transport/a.ts', "import { x } from '../dns/x.ts'\nexport const z = x"],
      [
        'src/probe/a.ts',
        "import type { X } from '../select/probe/probe-report.ts'\nimport { y } from '../tcp/y.ts'\nimport { z } from 'node:dgram'\nexport const a: X = [y, z]",
      ],
      ['src/transport/b.ts', "import { x } from '../probe/x.ts'\nexport const z = x"],
      [
        'src/bench/b.ts',
        "import { x } from '../index.ts'\nimport { y } from '../impair/y.ts'\nimport { z } from './load/z.ts'\nexport const a = [x, y, z]",
      ],
      [
        'src/bench/report/html/charts/b.ts',
        "import { x } from '../../../results/x.ts'\nimport { y } from '../y.ts'\nexport const a = [x, y]",
      ],
      ['src/cli/b.ts', "import { x } from '../bench/x.ts'\nexport const z = x"],
      ['src/impair/c.ts', "import { x } from '../clock.ts'\nexport const z = x"],
    ]
    for (const [file, code] of allowed) write(join(house, 'allowed', file), `${code}\n`)
    cpSync(join(house, '.oxlintrc.json'), join(house, 'allowed', '.oxlintrc.json'))
    const output = allowed.map(([file]) => lint(join(house, 'allowed'), file)).join('\n')
    expect(output).not.toMatch(/wall:|pure:/)
  })
})

function write(path: string, text: string): void {
  mkdirSync(dirname(path), { recursive: true })
  writeFileSync(path, text)
}

function lint(directory: string, file: string): string {
  try {
    return execFileSync(
      process.execPath,
      [join(root, 'node_modules/oxlint/bin/oxlint'), '-c', '.oxlintrc.json', file],
      {
        cwd: directory,
        encoding: 'utf8',
      },
    )
  } catch (error) {
    return String((error as { stdout?: string }).stdout) // execFileSync throws with the output when the linter complains
  }
}
