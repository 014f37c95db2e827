import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, writeFileSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type CertificateFiles, writeCertificateFiles } from '../../../test/support/certificate-files.ts'
import { onProcessExit } from '../../../test/support/cleanup.ts'
import { type NginxProcess, startNginxProcess } from '../../../test/support/nginx-process.ts'
import { deathSignalPrefix } from '../../../test/support/real-server.ts'
import { freePort } from '../../../test/support/tcp-port.ts'
import { freeDualPort } from '../../../test/support/udp-port.ts'
import { payload } from '../payload.ts'
import { ANSWER_SIZES, type OriginName, SOAK_ORIGINS } from '../plan.ts'
import type { OriginJob } from './origin-process.ts'

/** How one origin is reached. */
export interface OriginAddress {
  readonly name: OriginName
  readonly scheme: 'http' | 'https'
  /** In the order in which they are configured; the last one is good. */
  readonly ports: readonly number[]
}

export interface SoakOrigins extends AsyncDisposable {
  readonly addresses: readonly OriginAddress[]
  readonly certificates: CertificateFiles
  /** What the schedule of faults does. Each resolves when the origin serves again. */
  reload(): Promise<void>
  kill(name: 'killed' | 'http3'): Promise<void>
  start(name: 'killed' | 'http3'): Promise<void>
  logFile(name: OriginName): string
}

/** On nginx: their answers are files, and their records its access log. */
export const NGINX_ORIGINS: readonly OriginName[] = ['healthy', 'reloaded']

/** Starts all of them, with their files in `directory`. */
export async function startOrigins(directory: string, seed: number): Promise<SoakOrigins> {
  const running = new Closers()
  try {
    return await startAll(directory, seed, running)
  } catch (error) {
    await running[Symbol.asyncDispose]()
    throw error
  }
}

async function startAll(directory: string, seed: number, running: Closers): Promise<SoakOrigins> {
  const certificates = await writeCertificateFiles(directory)
  const logFile = (name: OriginName): string => join(directory, `${name}.log`)
  writeAnswerFiles(directory)
  const addresses: OriginAddress[] = []
  const nginx = new Map<OriginName, NginxProcess>()
  const children = new Map<OriginName, ChildOrigin>()

  for (const [index, { name }] of SOAK_ORIGINS.entries()) {
    const port = name === 'http3' ? await freeDualPort() : await freePort()
    if (NGINX_ORIGINS.includes(name)) {
      const server = await startNginxOrigin({ directory, name, port, certificates, logFile: logFile(name) })
      running.add(() => server.server.stop())
      nginx.set(name, server)
      addresses.push({ name, scheme: 'https', ports: [port] })
      continue
    }
    const isSecure = name === 'killed' || name === 'http3'
    const job: OriginJob = {
      name,
      port,
      logFile: logFile(name),
      seed: seed + index,
      ...(isSecure && { tls: certificates }),
    }
    const program = name === 'http3' ? 'http3-origin-process' : 'origin-process'
    const child = running.use(new ChildOrigin(program, JSON.stringify(job)))
    await child.start()
    children.set(name, child)
    const bad = name === 'endpoints' ? [await startDroppingEndpoint(running), await freePort()] : []
    addresses.push({ name, scheme: isSecure ? 'https' : 'http', ports: [...bad, port] })
  }
  return {
    addresses,
    certificates,
    logFile,
    reload: async () => nginx.get('reloaded')?.reload(),
    kill: async name => children.get(name)?.kill(),
    start: async name => children.get(name)?.start(),
    [Symbol.asyncDispose]: () => running[Symbol.asyncDispose](),
  }
}

function writeAnswerFiles(directory: string): void {
  const folder = join(directory, 'www')
  mkdirSync(folder)
  for (const [bytes] of ANSWER_SIZES) writeFileSync(join(folder, String(bytes)), payload('file', bytes))
}

interface NginxOriginParts {
  readonly directory: string
  readonly name: OriginName
  readonly port: number
  readonly certificates: CertificateFiles
  readonly logFile: string
}

function startNginxOrigin({
  directory,
  name,
  port,
  certificates,
  logFile,
}: NginxOriginParts): Promise<NginxProcess> {
  const own = join(directory, name)
  mkdirSync(own)
  const http = `
  log_format processed 'P $id';
  map $request_method $is_post { default 0; POST 1; }
  keepalive_requests ${name === 'reloaded' ? 200 : 1_000_000};
  client_max_body_size 0;
  default_type application/octet-stream;
  ssl_certificate ${certificates.certFile};
  ssl_certificate_key ${certificates.keyFile};
  server {
    listen 127.0.0.1:${port} ssl http2 backlog=4096;
    root ${directory}/www;
    add_header x-soak-id $id;
    location ~ ^/soak/(?<id>[\\w-]+)$ {
      access_log ${logFile} processed if=$is_post;
      if ($request_method ~ ^(?:POST|PUT)$) { return 200 "$id\\n"; }
      rewrite ^ /$arg_size break;
    }
  }`
  return startNginxProcess({ directory: own, http, ports: [port] })
}

/** A port whose queue of connections is full and stays so. */
async function startDroppingEndpoint(running: Closers): Promise<number> {
  const port = await freePort()
  const child = running.use(new ChildOrigin('dropping-endpoint-process', String(port)))
  await child.start()
  // The queue takes one more than the backlog; the rest of these stay unanswered, as others will.
  const fillers: Socket[] = []
  for (let i = 0; i < 6; i++) fillers.push(connect({ port, host: '127.0.0.1' }).on('error', () => {}))
  running.add(() => {
    for (const filler of fillers) filler.destroy()
  })
  return port
}

type OriginProgram = 'origin-process' | 'http3-origin-process' | 'dropping-endpoint-process'

const START_TIMEOUT_MS = 30_000

/**
 * One of the programs of this folder as a child: it can be killed, and started again with the same argument.
 */
class ChildOrigin implements AsyncDisposable {
  readonly #program: string
  readonly #argument: string
  #child: ChildProcess | undefined
  #forget: () => void = () => {}

  constructor(program: OriginProgram, argument: string) {
    this.#program = fileURLToPath(new URL(`./${program}.js`, import.meta.url))
    this.#argument = argument
  }

  get pid(): number {
    return this.#child?.pid ?? -1
  }

  /** Resolves when it listens. */
  async start(): Promise<void> {
    const line = [...deathSignalPrefix(), process.execPath, this.#program, this.#argument]
    const child = spawn(line[0] ?? '', line.slice(1), {
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
      env: { ...process.env, NODE_ENV: 'production' },
    })
    this.#child = child
    this.#forget = onProcessExit(() => child.kill('SIGKILL'))
    const ended = new AbortController()
    try {
      const signal = AbortSignal.any([ended.signal, AbortSignal.timeout(START_TIMEOUT_MS)])
      const failed = once(child, 'exit', { signal }).then(() => {
        throw new Error(`an origin of the soak ended at its start: ${this.#argument}`)
      })
      await Promise.race([once(child, 'message', { signal }), failed])
    } finally {
      ended.abort()
    }
  }

  /** SIGKILL: its clients get what the kernel sends, and nothing else. Resolves when it is gone. */
  async kill(): Promise<void> {
    const child = this.#child
    this.#child = undefined
    this.#forget()
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return
    const exit = once(child, 'exit')
    child.kill('SIGKILL')
    await exit
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.kill()
  }
}

/** What is to be closed at the end, the last first. One that fails does not keep the others from it. */
export class Closers implements AsyncDisposable {
  readonly #closers: (() => unknown)[] = []

  add(close: () => unknown): void {
    this.#closers.push(close)
  }

  /** The same, for what closes itself. */
  use<T extends AsyncDisposable>(resource: T): T {
    this.add(() => resource[Symbol.asyncDispose]())
    return resource
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const failures: unknown[] = []
    for (let close = this.#closers.pop(); close !== undefined; close = this.#closers.pop()) {
      try {
        await close()
      } catch (error) {
        failures.push(error)
      }
    }
    if (failures.length > 0) throw new AggregateError(failures, 'not everything could be closed')
  }
}
