import { Agent, request as httpRequest } from 'node:http'
import { request as httpsRequest, Agent as TlsAgent } from 'node:https'
import type { ConnectorProcess } from './connector-process.ts'
import { parsePrometheusText } from './prometheus-text.ts'

/** A worker as `GET /pools` shows it. */
export interface ShownWorker {
  readonly worker: string
  readonly pid: number
  readonly state: string
}

export async function readyWorkers({ adminUrl }: Pick<ConnectorProcess, 'adminUrl'>): Promise<ShownWorker[]> {
  const page = (await (await fetch(`${adminUrl}/pools`)).json()) as { workers: ShownWorker[] } // the page is ours
  return page.workers.filter(({ state }) => state === 'ready')
}

/**
 * Waits until another process has the place of `pid`, and so many are ready. Resolves with how long it took.
 */
export async function untilReplaced(
  connector: Pick<ConnectorProcess, 'adminUrl'>,
  pid: number,
  count: number,
  timeoutMs = 15_000,
): Promise<number> {
  const began = performance.now()
  for (;;) {
    const ready = await readyWorkers(connector)
    if (ready.length === count && !ready.some(worker => worker.pid === pid)) return performance.now() - began
    if (performance.now() - began > timeoutMs) throw new Error(`not replaced: ${JSON.stringify(ready)}`)
    await new Promise(resolve => setTimeout(resolve, 10))
  }
}

export async function scrape({ adminUrl }: Pick<ConnectorProcess, 'adminUrl'>, query = '') {
  return parsePrometheusText(await (await fetch(`${adminUrl}/metrics${query}`)).text())
}

/**
 * Requests over keep-alive connections, one at a time on each, until the signal; what went wrong by its
 * message.
 */
export class SteadyLoad implements AsyncDisposable {
  answered = 0
  readonly failures: string[] = []
  readonly #agents: Agent[] = []
  readonly #done: Promise<unknown>
  #isEnding = false

  constructor(
    url: string,
    { connections = 8, pauseMs = 0, ca }: { connections?: number; pauseMs?: number; ca?: string } = {},
  ) {
    this.#done = Promise.all(
      Array.from({ length: connections }, async () => {
        const options = { keepAlive: true, maxSockets: 1 }
        const agent = ca === undefined ? new Agent(options) : new TlsAgent({ ...options, ca })
        this.#agents.push(agent)
        while (!this.#isEnding) {
          try {
            await get(url, agent)
            this.answered++
          } catch (error) {
            this.failures.push(String(error))
          }
          if (pauseMs > 0) await new Promise(resolve => setTimeout(resolve, pauseMs))
        }
      }),
    )
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.end()
  }

  async end(): Promise<this> {
    this.#isEnding = true
    await this.#done
    for (const agent of this.#agents) agent.destroy()
    return this
  }
}

function get(url: string, agent: Agent): Promise<void> {
  return new Promise((resolve, reject) => {
    const send = url.startsWith('https:') ? httpsRequest : httpRequest
    const request = send(url, { agent }, response => {
      response.resume()
      response.once('end', () => {
        if (response.statusCode === 200) resolve()
        else reject(new Error(`status ${response.statusCode}`))
      })
      response.once('error', reject)
    })
    request.setTimeout(10_000, () => request.destroy(new Error('no answer within 10 s')))
    request.once('error', reject)
    request.end()
  })
}
