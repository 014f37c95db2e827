import { spawn } from 'node:child_process'
import { once } from 'node:events'
import net from 'node:net'
import { fileURLToPath } from 'node:url'
import { afterEach, describe, expect, it } from 'vitest'
import { startQuickOrigin } from '../../../src/testing/origins.ts'
import { curl } from '../../support/curl.ts'
import { processTree } from '../../support/process-tree.ts'
import { deathSignalPrefix } from '../../support/real-server.ts'
import { requireBinary } from '../../support/require-binary.ts'
import { requireQuic } from '../../support/require-quic.ts'

const ROOT = fileURLToPath(new URL('../../..', import.meta.url))
const MAIN = fileURLToPath(new URL('../../../dist/demo/main.js', import.meta.url))

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
  const url = /middlemile listens on (http:\S+),/.exec(text())?.[1] ?? ''
  const ports = [...text().matchAll(/https:\/\/localhost:(\d+),/g)].map(match => Number(match[1]))
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
    expect(hosts).toEqual([...ORIGINS, undefined]) // the admin line
    for (const [index, line] of lines.slice(0, ORIGINS.length).entries()) {
      const { exitCode, output } = await shell(line)
      expect([line, exitCode]).toEqual([line, 0])
      expect(output).toMatch(/^HTTP\/1\.1 200 OK\r\n/)
      expect(output).toContain(`\r\nvia: ${VIA[ORIGINS[index] ?? ''] ?? '1.1'} middlemile `)
      expect(output).toMatch(/\r\n\r\n\{"method":"GET","path":"\/"\}\n$/)
    }
    const pools = await shell(lines.at(-1) ?? '')
    expect(pools.exitCode).toBe(0)
    const names = (JSON.parse(pools.output) as { pools: { name: string }[] }).pools.map(({ name }) => name)
    expect(names).toEqual(ORIGINS)
    // The paths that it names besides.
    for (const path of /more paths: (.*)/.exec(demo.text())?.[1]?.split(' ') ?? []) {
      const { exitCode, status } = await curl([`${demo.url}${path}`])
      expect([path, exitCode, status]).toEqual([path, 0, path === '/status/404' ? 404 : 200])
    }
    expect(demo.ports.length).toBe(ORIGINS.length)
    demo.child.kill('SIGTERM')
    await once(demo.child, 'exit')
    for (const port of demo.ports) await expect.poll(() => isListening(port)).toBe(false)
    expect(await isListening(Number(new URL(demo.url).port))).toBe(false)
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
    await expect.poll(text, { timeout: 15_000 }).toMatch(/listening on http:\S+/)
    const url = /listening on (http:\S+)/.exec(text())?.[1] ?? ''
    expect((await curl([`${url}/x`])).body.toString()).toBe('{"method":"GET","path":"/x"}\n')
    expect(origin.requestsSeen()).toBe(1)
    child.kill('SIGTERM')
    await once(child, 'exit')
    await expect.poll(() => isListening(Number(new URL(url).port))).toBe(false)
    await origin.close()
  })

  it('takes the port that it is given, and a free one when that is taken, and says so', async () => {
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
