import { spawn } from 'node:child_process'
import { once } from 'node:events'
import net from 'node:net'
import { fileURLToPath } from 'node:url'
import { afterEach, describe, expect, it } from 'vitest'
import { curl } from '../support/curl.ts'

const MAIN = fileURLToPath(new URL('../../dist/demo/main.js', import.meta.url))

const running: { child: ReturnType<typeof spawn> }[] = []
afterEach(() => {
  for (const { child } of running.splice(0)) child.kill('SIGKILL')
})

async function startDemo(env: Record<string, string>) {
  const { PORT: _, ...inherited } = process.env
  const child = spawn(process.execPath, [MAIN], {
    env: { ...inherited, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  running.push({ child })
  let text = ''
  child.stdout.setEncoding('utf8').on('data', piece => (text += piece))
  child.stderr.setEncoding('utf8').on('data', piece => (text += piece))
  await expect.poll(() => text, { timeout: 15_000 }).toContain('Ctrl-C')
  const url = /middlemile listens on (http:\S+),/.exec(text)?.[1] ?? ''
  const ports = [...text.matchAll(/https:\/\/localhost:(\d+),/g)].map(match => Number(match[1]))
  return { child, url, ports, text: () => text }
}

async function isListening(port: number): Promise<boolean> {
  const socket = net.connect({ port, host: '127.0.0.1' })
  return await new Promise(resolve => {
    socket.once('connect', () => resolve(true)).once('error', () => resolve(false))
  }).then(answer => (socket.destroy(), answer as boolean))
}

describe('npm start', () => {
  it('prints a curl line for each origin that works, and ends with its origins on SIGTERM', async () => {
    const demo = await startDemo({})
    const hosts = [...demo.text().matchAll(/curl -i -H 'Host: (\S+)' (\S+)\/$/gm)]
    expect(hosts.map(match => match[1])).toEqual(['quick.demo', 'slow.demo', 'idle.demo', 'recycling.demo'])
    for (const [, host, url] of hosts) {
      const answer = await curl(['-H', `Host: ${host}`, `${url}/x`])
      expect([answer.status, JSON.parse(answer.body.toString())]).toEqual([
        200,
        { method: 'GET', path: '/x' },
      ])
      expect(answer.headers['via']?.[0]).toContain('middlemile')
    }
    const admin = /admin:\s+curl (\S+)\/pools/.exec(demo.text())?.[1] ?? ''
    expect((await curl([`${admin}/pools`])).status).toBe(200)
    expect(demo.ports.length).toBe(4)
    demo.child.kill('SIGTERM')
    expect(await once(demo.child, 'exit')).toEqual([0, null])
    for (const port of demo.ports) expect(await isListening(port)).toBe(false)
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
