import { spawn } from 'node:child_process'
import { once } from 'node:events'
import net from 'node:net'
import { fileURLToPath } from 'node:url'
import { afterEach, describe, expect, it } from 'vitest'
import { createCertificateAuthority } from '../../../src/testing/certificates.ts'
import { startQuickOrigin } from '../../../src/testing/origins.ts'
import { curl } from '../../support/curl.ts'
import { processTree } from '../../support/process-tree.ts'
import { atTerminal, requirePseudoTerminal } from '../../support/pseudo-terminal.ts'
import { deathSignalPrefix } from '../../support/real-server.ts'
import { requireBinary } from '../../support/require-binary.ts'
import { requireQuic } from '../../support/require-quic.ts'

const ROOT = fileURLToPath(new URL('../../..', import.meta.url))
const MAIN = fileURLToPath(new URL('../../../dist/demo.js', import.meta.url))

const running: { child: ReturnType<typeof spawn> }[] = []
afterEach(() => {
  for (const { child } of running.splice(0)) {
    if (child.exitCode !== null || child.signalCode !== null) continue
    // npm has children of its own.
    for (const { pid } of processTree(child.pid ?? -1)) process.kill(pid, 'SIGKILL')
  }
})

function spawnCommand(line: readonly string[], env: Record<string, string>) {
  const { PORT: _, ...inherited } = process.env
  const [command = '', ...args] = [...deathSignalPrefix(), ...line]
  const child = spawn(command, args, {
    cwd: ROOT,
    env: { ...inherited, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  running.push({ child })
  let text = ''
  child.stdout.setEncoding('utf8').on('data', piece => (text += piece))
  child.stderr.setEncoding('utf8').on('data', piece => (text += piece))
  return { child, text: () => text }
}

async function startDemo(env: Record<string, string>, line: readonly string[] = [process.execPath, MAIN]) {
  const { child, text } = spawnCommand(line, env)
  await expect.poll(text, { timeout: 15_000 }).toContain('Ctrl-C')
  const url = /middlemile listens on (http:[^\s,]+)/.exec(text())?.[1] ?? ''
  const ports = [...text().matchAll(/ localhost:(\d+),/g)].map(match => Number(match[1]))
  return { child, url, ports, text }
}

async function isListening(port: number): Promise<boolean> {
  const socket = net.connect({ port, host: '127.0.0.1' })
  return await new Promise(resolve => {
    socket.once('connect', () => resolve(true)).once('error', () => resolve(false))
  }).then(answer => (socket.destroy(), answer as boolean))
}

/** Runs a line as a person would who copies it into a shell. */
async function shell(line: string): Promise<{ exitCode: number; output: string }> {
  const child = spawn('sh', ['-c', line], { stdio: ['ignore', 'pipe', 'ignore'] })
  let output = ''
  child.stdout.setEncoding('utf8').on('data', piece => (output += piece))
  const [exitCode] = (await once(child, 'close')) as [number]
  return { exitCode, output }
}

const noCurl = requireBinary('curl')
/** The last one is there where HTTP/3 can be spoken. */
const ORIGINS = [
  'quick',
  'slow',
  'idle',
  'recycling',
  'multiplexed',
  ...(requireQuic() === undefined ? ['quic'] : []),
]
const VIA: Readonly<Record<string, string>> = { multiplexed: '2', quic: '3' }

describe.skipIf(noCurl !== undefined)('npm start', () => {
  it('prints curl lines that work as they are, and ends with its origins on SIGTERM', async () => {
    const demo = await startDemo({}, ['npm', 'start'])
    const lines = [...demo.text().matchAll(/\bcurl .*?(?=$|  )/gm)].map(match => match[0])
    const hosts = lines.map(line => /Host: (\w+)\.demo/.exec(line)?.[1])
    expect(hosts).toEqual(['quick', ...ORIGINS, undefined]) // the first thing to try, and the admin line
    for (const [index, line] of lines.slice(1, ORIGINS.length + 1).entries()) {
      const { exitCode, output } = await shell(line)
      expect([line, exitCode]).toEqual([line, 0])
      expect(output).toMatch(/^HTTP\/1\.1 200 OK\r\n/)
      expect(output).toContain(`\r\nvia: ${VIA[ORIGINS[index] ?? ''] ?? '1.1'} middlemile `)
      const spoken = { '1.1': 'http/1.1', '2': 'h2', '3': 'h3' }[VIA[ORIGINS[index] ?? ''] ?? '1.1']
      expect(output).toContain(`\r\nproxy-status: middlemile; next-protocol=${spoken}; details="connection `)
      expect(output).toMatch(
        /\r\n\r\n\w+ got GET \/ over HTTP\/[\d.]+, on its connection 1, as request 1 there\.\n/,
      )
    }
    const pools = await shell(lines.at(-1) ?? '')
    expect(pools.exitCode).toBe(0)
    const names = (JSON.parse(pools.output) as { pools: { name: string }[] }).pools.map(({ name }) => name)
    expect(names).toEqual(ORIGINS)
    // The paths that it names besides.
    for (const path of /More paths: (.*)/.exec(demo.text())?.[1]?.split(' ') ?? []) {
      const { exitCode, status } = await curl([`${demo.url}${path}`])
      expect([path, exitCode, status]).toEqual([path, 0, path === '/status/404' ? 404 : 200])
    }
    expect(demo.ports.length).toBe(ORIGINS.length)
    demo.child.kill('SIGTERM')
    await once(demo.child, 'exit')
    for (const port of demo.ports) await expect.poll(() => isListening(port)).toBe(false)
    expect(await isListening(Number(new URL(demo.url).port))).toBe(false)
  })

  it('answers the second time without a handshake: by two round trips of 40 ms sooner, and says so', async () => {
    const demo = await startDemo({})
    const line = /curl -i -w .*/.exec(demo.text())?.[0] ?? ''
    const [first, second] = [await shell(line), await shell(line)]
    expect(first.output).toMatch(/details="connection \d+, new: it cost a handshake of \d+ ms"/)
    expect(first.output).toContain('A new connection: its handshake cost 2 round trips of 40 ms')
    expect(second.output).toMatch(/details="connection \d+, reused: it spared a handshake of \d+ ms"/)
    expect(second.output).toContain('Reused: a new connection would have cost 2 round trips of 40 ms')
    const seconds = [first, second].map(({ output }) => Number(/([\d.]+) s\n$/.exec(output)?.[1]))
    expect(seconds[0]).toBeGreaterThan(0.12) // two round trips for the handshake, one for the request
    expect(seconds[1]).toBeGreaterThan(0.04)
  })

  it('shows a summary that fits 80 columns, follows the window, makes requests when nobody does, and drains on Ctrl-C', async ctx => {
    const missing = requirePseudoTerminal()
    ctx.skip(missing !== undefined, missing)
    await using demo = atTerminal([process.execPath, MAIN], { columns: 80 }, { env: { PORT: '' } })
    await demo.untilOutput(/0 requests \(0\/s\)/, 60_000)
    for (const row of demo.screen()) expect(row.length).toBeLessThan(80)
    await demo.untilOutput(/Nobody asked for 10 s: 5 requests to quick\.demo were made, and took \d+, \d+, /)
    demo.resize({ columns: 120 })
    await demo.untilOutput(
      /5 requests \(\d+\/s\) \| 1 of 1 connections open: 1 http\/1\.1 \| reuse 80\.0 % \| saved /,
    )
    expect(
      demo.screen().filter(row => / requests \(\d+\/s\)/.test(row)),
      'one line, rewritten',
    ).toHaveLength(1)
    demo.type('\x03')
    expect(await demo.exited).toBe(0)
    expect(demo.screen().join('\n')).toMatch(/\ndraining: .*\ndrained after 5 requests\n/)
  })

  it('exits with 0 on SIGTERM', async () => {
    const demo = await startDemo({})
    demo.child.kill('SIGTERM')
    expect(await once(demo.child, 'exit')).toEqual([0, null])
    for (const port of demo.ports) expect(await isListening(port)).toBe(false)
  })

  it('takes a real origin instead: npm start -- --origin URL', async () => {
    const origin = await startQuickOrigin()
    const options = ['--origin', origin.url, '--listen', '127.0.0.1:0', '--admin', 'off']
    const { child, text } = spawnCommand(['npm', 'start', '--', ...options], {})
    await expect.poll(text, { timeout: 15_000 }).toContain('Ctrl-C drains and ends.')
    const url = /listens on (http:[^\s,]+)/.exec(text())?.[1] ?? ''
    const answer = await curl([`${url}/x`])
    expect(answer.body.toString()).toBe('{"method":"GET","path":"/x"}\n')
    expect(answer.headers['proxy-status']?.[0]).toMatch(
      /^middlemile; next-protocol=http\/1\.1; details="connection 1, /,
    )
    expect(text()).toContain(`curl -i -w '%{time_total} s\\n' ${url}/`)
    expect(origin.requestsSeen()).toBe(1)
    child.kill('SIGTERM')
    await once(child, 'exit')
    await expect.poll(() => isListening(Number(new URL(url).port))).toBe(false)
    await origin.close()
  })

  it('answers a certificate that is not trusted with the options, before anybody asks', async () => {
    const authority = await createCertificateAuthority()
    const origin = await startQuickOrigin({ tls: await authority.issue({ names: ['localhost'] }) })
    const options = ['--origin', origin.url, '--listen', '127.0.0.1:0', '--admin', 'off']
    const strict = spawnCommand(['npm', 'start', '--', ...options], {})
    await expect
      .poll(strict.text, { timeout: 15_000 })
      .toMatch(/npm start: .*certificate for localhost .*--ca FILE .*--insecure \(-k\)/)
    const loose = spawnCommand(['npm', 'start', '--', ...options, '--insecure'], {})
    await expect.poll(loose.text, { timeout: 15_000 }).toContain('warning: certificates are not checked')
    const url = /listens on (http:[^\s,]+)/.exec(loose.text())?.[1] ?? ''
    expect((await curl([`${url}/x`])).status).toBe(200)
    await origin.close()
  })

  it('uses the port that it is given, or a free one when that is in use, and says so', async () => {
    const first = await startDemo({ PORT: '0' })
    const taken = new URL(first.url).port
    const second = await startDemo({ PORT: taken })
    expect(second.text()).toContain(`127.0.0.1:${taken}: the address is in use; taking a free port`)
    expect(new URL(second.url).port).not.toBe(taken)
    expect((await curl([`${second.url}/`])).status).toBe(200)
  })

  it('leaves no origins behind when it is killed', async () => {
    const demo = await startDemo({})
    demo.child.kill('SIGKILL')
    await once(demo.child, 'exit')
    for (const port of demo.ports) await expect.poll(() => isListening(port)).toBe(false)
  })
})
