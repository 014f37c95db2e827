import { mkdirSync, writeFileSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { join } from 'node:path'
import { type CertificateFiles, writeCertificateFiles } from '../../../test/support/certificate-files.ts'
import { type NginxProcess, startNginxProcess } from '../../../test/support/nginx-process.ts'
import { freePort } from '../../../test/support/tcp-port.ts'
import { freeDualPort } from '../../../test/support/udp-port.ts'
import { Closers } from '../closers.ts'
import { payload } from '../payload.ts'
import { ANSWER_SIZES, type OriginName, SOAK_ORIGINS } from '../plan.ts'
import { ChildOrigin } from './child-origin.ts'
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
