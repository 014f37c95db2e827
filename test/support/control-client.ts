import { type ClientHttp2Session, connect } from 'node:http2'
import { setTimeout as sleep } from 'node:timers/promises'
import { Lateness } from './lateness.ts'

export interface BystanderReport {
  requests: number
  /** Answers by status. */
  statuses: Record<number, number>
  /** What went wrong otherwise. */
  failures: string[]
  /** What this process itself was late is left out. */
  slowestMs: number
}

/**
 * An innocent HTTP/2 client (node:http2) that asks again and again on one connection of its own, while others
 * on other connections misbehave. It tells what they cost it.
 */
export class ControlClient implements AsyncDisposable {
  readonly #session: ClientHttp2Session
  readonly #authority: string
  readonly #running: Promise<void>
  #report: BystanderReport = { requests: 0, statuses: {}, failures: [], slowestMs: 0 }
  #isStopped = false

  /** `authority` is what it asks for; `path` is answered quickly. */
  constructor(url: string, authority: string, path = '/') {
    this.#authority = authority
    this.#session = connect(url)
    this.#session.on('error', error => this.#report.failures.push(error.message))
    this.#session.on('goaway', code => this.#report.failures.push(`GOAWAY ${code}`))
    this.#running = this.#run(path)
  }

  /** What happened since the last report. Waits until there is something to tell. */
  async report(): Promise<BystanderReport> {
    const deadline = performance.now() + 5_000
    const wanted = this.#report.requests + 3
    while (this.#report.requests < wanted && performance.now() < deadline) await sleep(5)
    const report = this.#report
    this.#report = { requests: 0, statuses: {}, failures: [], slowestMs: 0 }
    return report
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isStopped = true
    await this.#running
    this.#session.destroy()
  }

  async #run(path: string): Promise<void> {
    while (!this.#isStopped) {
      using lateness = new Lateness()
      const startedAt = performance.now()
      try {
        const status = await this.#ask(path)
        this.#report.statuses[status] = (this.#report.statuses[status] ?? 0) + 1
      } catch (error) {
        this.#report.failures.push(error instanceof Error ? error.message : String(error))
      }
      this.#report.slowestMs = Math.max(this.#report.slowestMs, performance.now() - startedAt - lateness.ms)
      this.#report.requests++
      await sleep(10)
    }
  }

  #ask(path: string): Promise<number> {
    return new Promise((resolve, reject) => {
      const stream = this.#session.request({ ':path': path, ':authority': this.#authority })
      let status = 0
      stream.setTimeout(10_000, () => stream.destroy(new Error('no answer within 10 s')))
      stream.on('response', headers => {
        status = headers[':status'] ?? 0
      })
      stream.on('error', reject)
      stream.on('end', () => resolve(status))
      stream.resume()
    })
  }
}
