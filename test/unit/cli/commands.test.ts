import { mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it, vi } from 'vitest'
import { main } from '../../../src/cli/main.ts'
import { type Explanation, type Transport, TransportError } from '../../../src/index.ts'
import type { Service } from '../../../src/service/index.ts'
import { fakeIo, response } from './fake-io.ts'

const directory = mkdtempSync(join(tmpdir(), 'mm-cli-'))
const PATIENT = { timeout: 10_000 }

const EXPLANATION: Explanation = {
  origin: 'https://a.example',
  protocols: [{ protocol: 'http/1.1', allowed: true, because: 'allowed by the configuration' }],
  decision: {
    at: 0,
    lane: 'tcp',
    rule: 'only-candidate',
    because: 'nothing else is allowed',
    candidates: [],
    wouldChange: [],
  },
  plan: [
    { lane: 'tcp', protocol: 'http/1.1', endpoint: '192.0.2.1:443', startAfterMs: 0, because: 'first of 1' },
  ],
  known: [{ fact: 'ALPN http/1.1', evidence: 'negotiated' }],
  unavailable: [{ feature: 'h3', because: 'not built' }],
  savings: [],
  pool: undefined,
}

describe('middlemile', () => {
  it('lists its commands and prints its version', async () => {
    const help = fakeIo()
    expect(await main(['--help'], help.io)).toBe(0)
    for (const name of ['serve', 'upgrade', 'get', 'explain', 'size', 'probe', 'bench'])
      expect(help.out()).toContain(`  ${name}`)
    const version = fakeIo()
    expect(await main(['--version'], version.io)).toBe(0)
    expect(version.out()).toMatch(/^middlemile \d+\.\d+\.\d+\n$/)
  })

  it.each(['serve', 'upgrade', 'get', 'explain', 'probe', 'bench', 'size'])(
    '%s has help and a version of its own',
    async name => {
      const { io, out } = fakeIo()
      expect(await main([name, '--help'], io)).toBe(0)
      expect(out()).toContain(`Usage: middlemile ${name}`)
      expect(await main([name, '--version'], io)).toBe(0)
      expect(out()).toContain('middlemile 0.')
    },
  )

  it.each([
    [['gte'], 'unknown command "gte"; did you mean get?'],
    [['banana'], 'unknown command "banana"; see middlemile --help'],
    [[], 'Usage: middlemile COMMAND'],
  ])('%j is bad usage', async (args, message) => {
    const { io, err } = fakeIo()
    expect(await main(args, io)).toBe(2)
    expect(err()).toContain(message)
  })
})

describe('explain', () => {
  it('says without a state directory that nothing is known yet, and how to change that', async () => {
    const { io, out } = fakeIo({ explanation: EXPLANATION })
    expect(await main(['explain', 'https://a.example'], io)).toBe(0)
    expect(out()).toMatch(/^Nothing is known of this origin yet: .*\nmiddlemile get --state DIR URL learns/m)
  })

  it('prints the explanation of the transport, human-readable and as JSON', async () => {
    const text = fakeIo({ explanation: EXPLANATION })
    expect(await main(['explain', '--state', 'kept', 'https://a.example'], text.io)).toBe(0)
    expect(text.out()).toBe(
      [
        'https://a.example',
        '',
        'Decision',
        ' tcp  only-candidate  nothing else is allowed',
        '',
        'Protocols',
        ' http/1.1  tried  allowed by the configuration',
        '',
        'Plan',
        ' after 0 ms  tcp  http/1.1  192.0.2.1:443  first of 1',
        '',
        'Known',
        ' ALPN http/1.1  negotiated',
        '',
        'Unavailable',
        ' h3  not built',
        '',
      ].join('\n'),
    )
    expect(text.closed()).toBe(1)
    const json = fakeIo({ explanation: EXPLANATION })
    expect(await main(['explain', '--json', 'https://a.example'], json.io)).toBe(0)
    expect(JSON.parse(json.out())).toEqual(JSON.parse(JSON.stringify(EXPLANATION)))
  })

  it('shows the decision, its input and what it depends on, and the lanes of the plan', async () => {
    const { io, out } = fakeIo({
      explanation: {
        ...EXPLANATION,
        decision: {
          at: 1,
          lane: 'h3',
          rule: 'faster',
          because: 'predicted to be 21 % faster than tcp',
          candidates: [
            {
              lane: 'h3',
              protocol: 'h3',
              isEligible: true,
              because: 'it worked last',
              evidence: ['Alt-Svc, 3 s ago', 'first byte after 42.1 ms (18 samples)'],
              predictedMs: 42.06,
              cpuMs: 0.05,
            },
            {
              lane: 'tcp',
              protocol: 'h2',
              isEligible: true,
              because: 'always there',
              evidence: [],
              predictedMs: 53.2,
              cpuMs: undefined,
            },
            {
              lane: 'h2-spread',
              protocol: 'h2',
              isEligible: false,
              because: 'no losses',
              evidence: [],
              predictedMs: undefined,
              cpuMs: undefined,
            },
          ],
          wouldChange: ['tcp below 38.2 ms for 5 s', 'HTTP/3 that fails'],
        },
        plan: [
          {
            lane: 'h3',
            protocol: 'h3',
            endpoint: '192.0.2.1:443',
            startAfterMs: 0,
            because: 'Alt-Svc',
          },
          {
            lane: 'tcp',
            protocol: 'h2',
            endpoint: '192.0.2.1:443',
            startAfterMs: 83.7,
            because: 'if h3 is late',
          },
        ],
      },
    })
    expect(await main(['explain', '--state', 'kept', 'https://a.example'], io)).toBe(0)
    expect(out()).toContain(
      [
        'https://a.example',
        '',
        'Decision',
        ' h3  faster  predicted to be 21 % faster than tcp',
        '',
        'Candidates',
        ' h3         h3  eligible      42.1 ms       CPU 0.050 ms  it worked last',
        '                                                          - Alt-Svc, 3 s ago',
        '                                                          - first byte after 42.1 ms (18 samples)',
        ' tcp        h2  eligible      53.2 ms                     always there',
        ' h2-spread  h2  not eligible  not measured                no losses',
        '',
        'Would change it',
        ' tcp below 38.2 ms for 5 s',
        ' HTTP/3 that fails',
        '',
        'Protocols',
        ' http/1.1  tried  allowed by the configuration',
        '',
        'Plan',
        ' after 0 ms   h3   h3  192.0.2.1:443  Alt-Svc',
        ' after 84 ms  tcp  h2  192.0.2.1:443  if h3 is late',
        '',
      ].join('\n'),
    )
  })

  it('uses what earlier runs kept, and the options of the choice', async () => {
    const { io, transports, err } = fakeIo({ explanation: EXPLANATION })
    const args = ['--state', 'kept', '--policy', 'efficiency', '--dns-server', '192.0.2.53']
    expect(await main(['explain', ...args, 'https://a.example'], io)).toBe(0)
    expect(transports[0]).toMatchObject({
      state: { directory: 'kept' },
      dnsServers: ['192.0.2.53'],
      defaults: { select: { policy: 'efficiency' } },
    })
    transports[0]?.observer?.({ type: 'state-fault', message: 'what was kept cannot be read' })
    expect(err()).toBe('middlemile explain: warning: what was kept cannot be read\n')
  })

  it.each([
    [['explain', '--state', '', 'https://a'], '--state needs the name of a directory'],
    [['explain', '--policy', 'x', 'https://a'], '--policy must be one of auto, latency, efficiency'],
    [['explain'], 'explain needs exactly one URL'],
    [['explain', 'https://a', 'https://b'], 'explain needs exactly one URL'],
    [['explain', 'ftp://a'], 'origin must be http or https'],
  ])('%j is bad usage', async (args, message) => {
    const { io, err } = fakeIo({ explanation: EXPLANATION })
    expect(await main(args, io)).toBe(2)
    expect(err()).toContain(message)
  })
})

describe('upgrade', () => {
  const answering = (status: number, body: object) =>
    fakeIo({ onRequest: async () => response([], { status, text: async () => JSON.stringify(body) }) })

  it('asks the admin server for a successor, and says which process it is', async () => {
    const { io, out, requests } = answering(200, { upgraded: true, pid: 77 })
    expect(await main(['upgrade', '--admin', '127.0.0.1:1234'], io)).toBe(0)
    expect(requests.map(({ url, options }) => [options.method, url])).toEqual([
      ['POST', 'http://127.0.0.1:1234/upgrade'],
    ])
    expect(out()).toBe('process 77 has taken over\n')
  })

  it('fails with the reason why the old program goes on', async () => {
    const { io, err } = answering(409, { error: { message: 'the old program goes on: it ended by code 2' } })
    expect(await main(['upgrade'], io)).toBe(1)
    expect(err()).toBe('middlemile upgrade: the old program goes on: it ended by code 2\n')
  })

  it.each([
    [['x'], 'upgrade takes no argument "x"'],
    [['-c', 'a.yaml', '--admin', '127.0.0.1:1'], '--admin does not go with -c FILE'],
    [['-c', '/absent.yaml'], 'cannot read the configuration'],
  ])('refuses %j', async (args, message) => {
    const { io, err } = fakeIo()
    expect(await main(['upgrade', ...args], io)).toBe(2)
    expect(err()).toContain(message)
  })
})

describe('size', () => {
  it('prints JSON with what went in and what comes out', async () => {
    const { io, out } = fakeIo()
    const args = [
      'size',
      '--rps',
      '1000',
      '--latency-ms',
      '100',
      '--protocol',
      'http/1.1',
      '--edges',
      '3',
      '--json',
    ]
    expect(await main(args, io)).toBe(0)
    expect(JSON.parse(out())).toEqual({
      rps: 1000,
      latencyMs: 100,
      protocol: 'http/1.1',
      edges: 3,
      concurrency: 100,
      streams: 150,
      connections: 150,
      spare: 0,
      streamsPerConnection: 1,
      origin: { connections: 450, streams: 450, rps: 3000 },
    })
  })

  it('prints a table, for h2 by default', async () => {
    const { io, out } = fakeIo()
    expect(await main(['size', '--rps', '1000', '--latency-ms', '100', '--headroom', '2'], io)).toBe(0)
    expect(out()).toMatch(/^protocol +h2$/m)
    expect(out()).toMatch(/^connections +3 .*1 of them spare/m)
    expect(out()).toMatch(/^the origin sees +3 connections, 1000 requests\/s from 1 edge$/m)
    expect(out()).toMatch(/^from 200 edges +600 connections, 200000 requests\/s$/m)
    expect(out()).not.toContain('ceiling')
  })

  it.each([
    ['10000', 'each of 3 edges gets the 150 that it needs', 'each of 200 edges gets 50 of the 150'],
    [
      '400',
      'each of 3 edges gets 133 of the 150 that it needs, 1 of them one more;',
      'each of 200 edges gets 2 of',
    ],
    [
      '90',
      'each of 3 edges gets 30 of the 150 that it needs; requests',
      '90 of 200 edges have one at a time, in turns',
    ],
  ])('says what each edge gets of a ceiling of %s', async (ceiling, few, many) => {
    const { io, out } = fakeIo()
    const line = `size --rps 1000 --latency-ms 100 --protocol http/1.1 --edges 3 --ceiling ${ceiling}`
    expect(await main(line.split(' '), io)).toBe(0)
    expect(out()).toContain(`of a ceiling of ${ceiling}`)
    expect(out()).toContain(few)
    expect(out()).toContain(many)
  })

  it.each([
    [['size'], 'size needs --rps and --latency-ms'],
    [['size', '--rps', '0', '--latency-ms', '1'], '--rps must be a number above 0'],
    [['size', '--rps', '1', '--latency-ms', '1', '--protocol', 'h4'], '--protocol must be one of'],
    [['size', '--rps', '1', '--latency-ms', '1', '--streams', '1.5'], '--streams must be a whole number'],
    [['size', '--rps', '1', '--latency-ms', '1', 'x'], 'size takes no argument "x"'],
  ])('%j is bad usage', async (args, message) => {
    const { io, err } = fakeIo()
    expect(await main(args, io)).toBe(2)
    expect(err()).toContain(message)
  })
})

describe('serve', () => {
  function service(preconnect: () => Promise<void> = async () => {}) {
    const calls: string[] = []
    const transport: Pick<Transport, 'preconnect'> = { preconnect }
    let drained = () => {}
    const fake: Pick<Service, 'drain' | 'close' | 'reload' | 'transport'> = {
      transport: transport as Transport, // serve connects once, and no more
      drain: () => {
        calls.push('drain')
        return new Promise(resolve => {
          drained = resolve
        })
      },
      close: async () => void calls.push('close'),
      reload: async () => {
        calls.push('reload')
        return { ok: true, warnings: [], changes: [] }
      },
    }
    return { calls, service: fake as Service, drained: () => drained() } // serve uses these
  }

  it('--origin starts one origin, on the loopback, with the options that were given', async () => {
    const { calls, service: fake, drained } = service()
    const { io, services, signals } = fakeIo({ service: fake })
    const args = [
      '--origin',
      'https://a.example',
      '--ca',
      'ca.pem',
      '--admin',
      '9000',
      '--log-level',
      'debug',
      '--protocol',
      'h2',
    ]
    const running = main(['serve', ...args], io)
    await vi.waitFor(() => expect(services).not.toEqual([]), PATIENT)
    expect(services).toEqual([
      {
        listen: [{ address: '127.0.0.1:8080' }],
        admin: { address: '127.0.0.1:9000' },
        log: { level: 'debug' },
        origins: { origin: { url: 'https://a.example', protocols: ['h2'], tls: { ca: 'ca.pem' } } },
      },
    ])
    signals.get('SIGTERM')?.()
    await vi.waitFor(() => expect(calls).toEqual(['drain']), PATIENT)
    drained()
    expect(await running).toBe(0)
  })

  it('answers a certificate that is not trusted with the options, and goes on; --insecure warns instead', async () => {
    const untrusted = new TransportError('MM_TLS_CERTIFICATE', 'the certificate is self-signed')
    const strict = service(() => Promise.reject(untrusted))
    const { io, err, signals } = fakeIo({ service: strict.service })
    const running = main(['serve', '--origin', 'https://a.example'], io)
    await vi.waitFor(
      () => expect(err()).toMatch(/the certificate is self-signed; .*--ca FILE .*--insecure/),
      PATIENT,
    )
    signals.get('SIGTERM')?.()
    await vi.waitFor(() => expect(strict.calls).toEqual(['drain']), PATIENT)
    strict.drained()
    expect(await running).toBe(0)
    const loose = service()
    const second = fakeIo({ service: loose.service })
    const runningToo = main(['serve', '--origin', 'https://a.example', '-k'], second.io)
    await vi.waitFor(() => expect(second.err()).toContain('warning: certificates are not checked'), PATIENT)
    expect(second.services[0]).toMatchObject({ origins: { origin: { tls: { rejectUnauthorized: false } } } })
    second.signals.get('SIGTERM')?.()
    await vi.waitFor(() => expect(loose.calls).toEqual(['drain']), PATIENT)
    loose.drained()
    expect(await runningToo).toBe(0)
  })

  it('handles signals that come while it starts', async () => {
    const { calls, service: fake, drained } = service()
    const { io, signals } = fakeIo({ service: fake })
    const running = main(['serve', '-c', 'file.yaml'], io)
    await vi.waitFor(() => expect(signals.get('SIGTERM')).toBeDefined(), PATIENT)
    signals.get('SIGHUP')?.()
    signals.get('SIGTERM')?.()
    expect(calls).toEqual([])
    await vi.waitFor(() => expect(calls).toEqual(['reload', 'drain']), PATIENT)
    drained()
    expect(await running).toBe(0)
  })

  it('reloads on SIGHUP, drains and closes on the first SIGTERM or SIGINT, and exits at once on the second', async () => {
    for (const [first, second] of [
      ['SIGTERM', 'SIGINT'],
      ['SIGINT', 'SIGTERM'],
    ] as const) {
      const { calls, service: fake, drained } = service()
      const { io, signals, exits, services } = fakeIo({ service: fake })
      const running = main(['serve', '-c', 'file.yaml'], io)
      await vi.waitFor(() => expect(services).not.toEqual([]), PATIENT)
      expect(services).toEqual(['file.yaml'])
      signals.get('SIGHUP')?.()
      await vi.waitFor(() => expect(calls).toEqual(['reload']), PATIENT)
      signals.get(first)?.()
      await vi.waitFor(() => expect(calls).toEqual(['reload', 'drain']), PATIENT)
      expect(exits).toEqual([])
      signals.get(second)?.()
      expect(exits).toEqual([1])
      drained()
      expect(await running).toBe(0)
      expect(calls).toEqual(['reload', 'drain', 'close'])
    }
  })

  it('exits with 3 when it cannot start', async () => {
    const { io, err } = fakeIo()
    expect(await main(['serve', '--origin', 'https://a.example'], io)).toBe(3)
    expect(err()).toContain('no service')
  })

  it('--check says whether a file is good, and prints every fault of a bad one', async () => {
    const good = join(directory, 'good.yaml')
    writeFileSync(
      good,
      'listen: [{ address: :80 }]\norigins: { a: { url: http://a, hosts: [a] }, b: { url: http://b } }\n',
    )
    const first = fakeIo()
    expect(await main(['serve', '-c', good, '--check'], first.io)).toBe(0)
    expect(first.out()).toBe(`${good}: good, 2 origins, 1 routes\n`)
    expect(first.err()).toContain('warning: origins.b: no route leads to it')
    const bad = join(directory, 'bad.yaml')
    writeFileSync(bad, 'listen: [{ address: x }]\norigins: { a: { ulr: http://a } }\n')
    const second = fakeIo()
    expect(await main(['serve', '--config', bad, '--check'], second.io)).toBe(2)
    expect(second.err().trimEnd().split('\n')).toEqual([
      expect.stringContaining(`${bad}:1:21: listen[0].address: must be HOST:PORT`),
      `${bad}:2:15: origins.a.url: missing: a string is needed`,
      `${bad}:2:17: origins.a.ulr: unknown key; did you mean "url"?`,
    ])
    expect(second.services, 'nothing was started').toEqual([])
  })

  it.each([
    [['serve'], 'serve needs -c FILE or --origin URL'],
    [['serve', '--check'], '--check needs -c FILE'],
    [['serve', '-c', 'f', '--origin', 'http://a'], '--origin does not go with -c FILE'],
    [['serve', '-c', 'f', '--log-level', 'info'], '--log-level does not go with -c FILE'],
    [['serve', 'file.yaml'], 'serve takes no argument "file.yaml"'],
    [['serve', '--orign', 'http://a'], 'did you mean --origin?'],
  ])('%j is bad usage', async (args, message) => {
    const { io, err } = fakeIo()
    expect(await main(args, io)).toBe(2)
    expect(err()).toContain(message)
  })
})
