import { spawn } from 'node:child_process'
import type { Socket } from 'node:dgram'
import { once } from 'node:events'
import { connect } from 'node:net'
import { describe, expect, it } from 'vitest'
import {
  type ImpairedPathOptions,
  limits,
  startImpairedPath,
} from '../../../src/bench/impair/impaired-path.ts'
import { startEchoes } from '../../../src/bench/impair/measure-path.ts'
import { onProcessExit } from '../../support/cleanup.ts'
import { compileSources } from '../../support/compiled-sources.ts'
import { isRunning, readProcessStat } from '../../support/process-tree.ts'
import { openUdpSocket } from '../../support/udp-port.ts'

/** The machine may be busy; it is never faster than it should be. */
const LOOSE = { tcp: { share: 1, ms: 200 }, udp: { share: 1, ms: 200 } }
const PATIENT = { timeout: 10_000 }

const PROGRAM = new URL('../../../dist/impair-process.js', import.meta.url)

const optionsFor = (tcpPort: number, udpPort: number): ImpairedPathOptions => ({
  host: '127.0.0.1',
  tcpPort,
  udpPort,
  conditions: { toServer: { delayMs: 15 }, toClient: { delayMs: 10 } },
  seed: 5,
  program: PROGRAM,
})

/** One byte there and back on a connection of its own. */
async function askTcp(port: number): Promise<number> {
  const since = performance.now()
  const socket = connect({ port, host: '127.0.0.1' })
  socket.write('x')
  await once(socket, 'data')
  socket.destroy()
  return performance.now() - since
}

async function askUdp(socket: Socket, port: number): Promise<number> {
  const since = performance.now()
  socket.send('x', port, '127.0.0.1')
  await once(socket, 'message')
  return performance.now() - since
}

/** Not one that has ended and that nobody has waited for yet. */
function isAlive(pid: number): boolean {
  const stat = readProcessStat(pid)
  return stat !== undefined && isRunning(stat)
}

describe('an impaired path in a process of its own', () => {
  it('carries TCP and UDP on one port, under conditions that can be changed, and counts', async () => {
    await using echoes = await startEchoes()
    await using way = await startImpairedPath(optionsFor(echoes.tcpPort, echoes.udpPort))
    const socket = await openUdpSocket()
    try {
      expect(await askTcp(way.port)).toBeGreaterThanOrEqual(50)
      expect(await askUdp(socket, way.port)).toBeGreaterThanOrEqual(25)
      await way.rebind()
      await way.setConditions('toServer', { delayMs: 100 })
      expect(await askTcp(way.port)).toBeGreaterThanOrEqual(220)
      expect(await askUdp(socket, way.port)).toBeGreaterThanOrEqual(110)
      const { tcp, udp } = await way.counts()
      expect([tcp.toServer, udp?.toServer]).toMatchObject([
        { connections: 2, bytes: 2 },
        { packets: 2, delivered: 2 },
      ])
      await way.silence()
      socket.send('x', way.port, '127.0.0.1')
      await expect.poll(async () => (await way.counts()).udp?.toServer.swallowed, PATIENT).toBe(1)
    } finally {
      socket.close()
    }
    expect(isAlive(way.pid)).toBe(true)
    await way[Symbol.asyncDispose]()
    expect(isAlive(way.pid)).toBe(false)
    await expect(way.counts()).rejects.toThrow('has ended')
  })

  it('measures itself, and reports when it is not what it should be', async () => {
    await using way = await startImpairedPath({
      ...optionsFor(1, 1),
      conditions: { toServer: { delayMs: 15, lossRate: 1 }, toClient: { delayMs: 10, isBlackHole: true } },
    })
    const { tcp, udp } = await way.measurePath(LOOSE)
    expect(tcp.roundTripMs).toBeGreaterThanOrEqual(25)
    expect(tcp.connectMs + tcp.roundTripMs).toBeGreaterThanOrEqual(50)
    expect(udp?.roundTripMs).toBeGreaterThanOrEqual(25)
    await expect(way.measurePath({ ...LOOSE, tcp: { share: 0, ms: -1 } })).rejects.toThrow(
      /takes [\d.]+ ms, not \d+: the machine is too busy/,
    )
  })

  it('passes TCP alone where no datagrams are wanted', async () => {
    await using echoes = await startEchoes()
    const { udpPort: _, ...options } = optionsFor(echoes.tcpPort, 0)
    await using way = await startImpairedPath(options)
    await askTcp(way.port)
    expect((await way.counts()).udp).toBeUndefined()
    const { udp } = await way.measurePath(LOOSE)
    expect(udp).toBeUndefined()
  })

  it('does not start under conditions that no path has', async () => {
    const conditions = { toServer: { lossRate: 3 }, toClient: {} }
    await expect(startImpairedPath({ ...optionsFor(1, 1), conditions })).rejects.toThrow(
      'lossRate is a share',
    )
  })

  it('ends when its parent is killed', async () => {
    const compiled = await compileSources({
      'impaired-path': 'bench/impair/impaired-path.ts',
      'impair-process': 'bench/impair/impair-process.ts',
    })
    const program = `
      import { startImpairedPath } from '${compiled['impaired-path']}'
      const conditions = { toServer: {}, toClient: {} }
      const way = await startImpairedPath({ host: '127.0.0.1', tcpPort: 1, conditions, seed: 1 })
      console.log(way.pid)
    `
    const parent = spawn(process.execPath, ['--input-type=module', '-e', program], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    const forget = onProcessExit(() => parent.kill('SIGKILL'))
    const pid = Number(String((await once(parent.stdout, 'data'))[0]))
    expect(isAlive(pid)).toBe(true)
    const exited = once(parent, 'exit')
    parent.kill('SIGKILL')
    await exited
    forget()
    await expect.poll(() => isAlive(pid), PATIENT).toBe(false)
  })

  it('names what it does not show', () => {
    const text = limits().join('\n')
    for (const word of ['congestion control', 'head-of-line', 'SYN', '200 ms', 'packet counts']) {
      expect(text).toContain(word)
    }
  })
})
