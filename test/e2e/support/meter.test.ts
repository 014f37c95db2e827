import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import { cpuMs, memory } from '../../../bench/lib/cpus.ts'
import { startRealServer } from '../../support/real-server.ts'

/** 300 ms of user time, with few looks at the clock: those are system time. */
const BURN =
  'const end = process.cpuUsage().user + 300e3; while (process.cpuUsage().user < end) for (let i = 0; i < 1e6; i++);'

describe('the process meter', () => {
  it('counts the CPU time of a process, of its children, and of children that ended', async () => {
    const script = `
      const { spawnSync } = require('node:child_process')
      process.once('SIGUSR2', () => {
        ${BURN}
        spawnSync(process.execPath, ['-e', ${JSON.stringify(BURN)}])
        console.log('done')
      })
      console.log('ready')
      setInterval(() => {}, 1000)`
    await using server = await startRealServer({ command: process.execPath, args: ['-e', script], ports: [] })
    while (!server.output().includes('ready')) await sleep(10)
    const before = cpuMs(server.pid)
    server.signal('SIGUSR2')
    while (!server.output().includes('done')) await sleep(10)
    const after = cpuMs(server.pid)
    // Twice 300 ms, and the start of a Node process.
    expect(after - before).toBeGreaterThan(580)
    await sleep(200)
    expect(cpuMs(server.pid) - after).toBeLessThan(50)
  })

  it('reads memory and its high-water mark', async () => {
    const script = `Buffer.alloc(80 * 1024 * 1024, 1); console.log('ready'); setInterval(() => {}, 1000)`
    await using server = await startRealServer({ command: process.execPath, args: ['-e', script], ports: [] })
    while (!server.output().includes('ready')) await sleep(10)
    const { rssMiB, highWaterMiB } = memory(server.pid)
    expect(highWaterMiB).toBeGreaterThan(80)
    expect(rssMiB).toBeGreaterThan(10)
    expect(rssMiB).toBeLessThanOrEqual(highWaterMiB)
    expect(memory(2 ** 30)).toEqual({ rssMiB: 0, highWaterMiB: 0 })
  })
})
