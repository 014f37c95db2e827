import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { bodyOf, writeBodyFiles } from '../../test/support/body-files.ts'
import { writeCertificateFiles } from '../../test/support/certificate-files.ts'
import { startNginxProcess } from '../../test/support/nginx-process.ts'
import { startRealServer } from '../../test/support/real-server.ts'
import { freePort } from '../../test/support/tcp-port.ts'
import { makeTemporaryDirectory } from '../../test/support/temporary-directory.ts'
import { freeDualPort, waitUntilSpeaksQuic } from '../../test/support/udp-port.ts'
import { BODY_SIZES, writeZeros } from '../lib/body-sizes.ts'
import { type CpuPlan, cpuMs } from '../lib/cpus.ts'
import { startHttp3BenchOrigin, startUnaryOrigin } from '../origin/own-origins.ts'
import {
  caddyConfig,
  nginxConfig,
  type OriginPlace,
  type OriginPlan,
  sinkConfig,
} from './load-origin-config.ts'
import type { LoadPath } from './load-path.ts'

/** A server of a scenario as its clients know it. */
export interface LoadOrigin {
  /** `https://origin.test:PORT`, one for each port. */
  readonly origins: readonly string[]
  readonly resolve: Readonly<Record<string, string>>
  /** Of its processes, since they began. */
  cpuMs(): number
}

/** All servers of a scenario, with one certificate. */
export interface LoadOrigins extends AsyncDisposable {
  /** PEM. */
  readonly ca: string
  readonly byName: ReadonlyMap<string, LoadOrigin>
}

const NAME = 'origin.test'
/** `/10k` is the bench's own. */
const BODY_10K = 10_240

/** Starts them at the servers' end of the path. Rejects, with what it said, when one does not start. */
export async function startLoadOrigins(
  plans: Readonly<Record<string, OriginPlan>>,
  way: LoadPath,
  cpus: CpuPlan,
): Promise<LoadOrigins> {
  const directory = makeTemporaryDirectory('load-origins')
  const started: AsyncDisposable[] = []
  const stop = async (): Promise<void> => {
    for (const server of started) await server[Symbol.asyncDispose]()
    directory.remove()
  }
  try {
    const certificates = await writeCertificateFiles(directory.path, undefined, [NAME])
    const www = writeBodyFiles(directory.path)
    writeFileSync(join(www, '10k'), bodyOf(BODY_10K))
    writeZeros(join(www, '200m'), BODY_SIZES['200m'])
    const servers = new Map<string, { ports: readonly number[]; server: OriginServer }>()
    {
      using _stay = way.enterServers()
      for (const [name, plan] of Object.entries(plans)) {
        const own = join(directory.path, name.replaceAll(/\W+/g, '-'))
        mkdirSync(own)
        const place: OriginPlace = {
          directory: own,
          www,
          name: NAME,
          address: way.address,
          ports: await freePorts(plan.ports ?? 1),
          sinkPort: await freePort(),
          certificates,
        }
        const server = await startOrigin(
          plan,
          place,
          plan.isOnClientCpu === true ? cpus.subject : cpus.origin,
        )
        started.push(server)
        servers.set(name, { ports: place.ports, server })
      }
    }
    const byName = new Map<string, LoadOrigin>()
    for (const [name, { ports, server }] of servers) byName.set(name, await reachOrigin(ports, server, way))
    return { ca: certificates.ca, byName, [Symbol.asyncDispose]: stop }
  } catch (error) {
    await stop()
    throw error
  }
}

async function freePorts(count: number): Promise<number[]> {
  const ports: number[] = []
  while (ports.length < count) ports.push(await freeDualPort())
  return ports
}

/** One that has been started. */
interface OriginServer extends AsyncDisposable {
  /** The roots of its processes. */
  readonly pids: readonly number[]
  readonly hasUdp: boolean
}

async function startOrigin(
  plan: OriginPlan,
  place: OriginPlace,
  cpu: number | undefined,
): Promise<OriginServer> {
  const { directory, address, ports, certificates } = place
  switch (plan.kind) {
    case 'nginx': {
      const http = nginxConfig(plan, place)
      const { server } = await startNginxProcess({ directory, http, ports, cpu })
      return { pids: [server.pid], hasUdp: false, [Symbol.asyncDispose]: () => server.stop() }
    }
    case 'caddy':
      return startCaddy(place, cpu)
    case 'own': {
      const server = await startHttp3BenchOrigin(address, ports[0] ?? 0, certificates, cpu, plan)
      return { pids: [server.pid], hasUdp: true, [Symbol.asyncDispose]: () => server[Symbol.asyncDispose]() }
    }
    case 'unary':
      break
  }
  const server = await startUnaryOrigin(address, ports[0] ?? 0, certificates, cpu)
  return { pids: [server.pid], hasUdp: true, [Symbol.asyncDispose]: () => server[Symbol.asyncDispose]() }
}

async function startCaddy(place: OriginPlace, cpu: number | undefined): Promise<OriginServer> {
  const { directory, ports, sinkPort } = place
  // caddy has no handler that reads a body away: a small nginx behind it does.
  const sink = await startNginxProcess({ directory, http: sinkConfig(place), ports: [sinkPort], cpu })
  const stop = (): Promise<void> => sink.server.stop()
  try {
    const config = join(directory, 'Caddyfile')
    // By itself it would write into the home directory.
    const home = join(directory, 'home')
    mkdirSync(home)
    writeFileSync(config, caddyConfig(place))
    const server = await startRealServer({
      command: 'caddy',
      args: ['run', '--config', config, '--adapter', 'caddyfile'],
      env: { HOME: home, XDG_DATA_HOME: home, XDG_CONFIG_HOME: home },
      ports,
      cpu,
    })
    const last = ports.at(-1) ?? 0
    if (!(await waitUntilSpeaksQuic(last, 10_000, () => server.hasExited()))) {
      await server.stop('SIGKILL')
      throw new Error(`caddy does not speak QUIC:\n${server.output()}`)
    }
    return {
      pids: [server.pid, sink.server.pid],
      hasUdp: true,
      async [Symbol.asyncDispose]() {
        await server.stop()
        await stop()
      },
    }
  } catch (error) {
    await stop()
    throw error
  }
}

async function reachOrigin(
  ports: readonly number[],
  { pids, hasUdp }: OriginServer,
  way: LoadPath,
): Promise<LoadOrigin> {
  const origins: string[] = []
  const resolve: Record<string, string> = {}
  for (const own of ports) {
    const { address, port } = await way.reach(own, hasUdp)
    origins.push(`https://${NAME}:${port}`)
    resolve[`${NAME}:${port}`] = address
  }
  return { origins, resolve, cpuMs: () => pids.reduce((sum, pid) => sum + cpuMs(pid), 0) }
}
