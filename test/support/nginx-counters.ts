import { get } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'

export interface NginxCounters {
  /** Connections accepted. */
  connections: number
  requests: number
  /** Connections open now. */
  active: number
}

/**
 * Reads nginx' stub_status and takes off what the reading itself costs: one connection and one request each
 * time.
 */
export function nginxCounters(plainPort: number): {
  read(): Promise<NginxCounters>
  /** Counts from zero again. */
  reset(): Promise<void>
} {
  let baseline: NginxCounters = { connections: 0, requests: 0, active: 0 }
  let reads = 0
  return {
    async read() {
      const now = await readStubStatus(plainPort)
      reads++
      return {
        connections: now.connections - baseline.connections - reads,
        requests: now.requests - baseline.requests - reads,
        active: now.active - 1,
      }
    },
    async reset() {
      // Connections from before may still wait to be accepted: zero is where two looks agree.
      let last = await readStubStatus(plainPort)
      for (let attempt = 0; attempt < 50; attempt++) {
        await sleep(5)
        const next = await readStubStatus(plainPort)
        const settled = next.connections === last.connections + 1
        last = next
        if (settled) break
      }
      baseline = last
      reads = 0
    },
  }
}

/**
 * Active connections: 1
 * server accepts handled requests
 *  3 3 3
 */
async function readStubStatus(port: number): Promise<NginxCounters> {
  const text = await new Promise<string>((resolve, reject) => {
    const url = `http://127.0.0.1:${port}/nginx-status`
    const request = get(url, { agent: false, timeout: 5_000 }, response => {
      let body = ''
      response.setEncoding('latin1').on('data', (chunk: string) => {
        body += chunk
      })
      response.once('end', () => resolve(body)).once('error', reject)
    })
    request.once('error', reject).once('timeout', () => request.destroy(new Error('no answer')))
  })
  const active = /Active connections: (\d+)/.exec(text)?.[1]
  const counts = /^ (\d+) (\d+) (\d+)/m.exec(text)
  if (active === undefined || counts === null)
    throw new Error(`not a stub_status page: ${text.slice(0, 200)}`)
  return { connections: Number(counts[1]), requests: Number(counts[3]), active: Number(active) }
}
