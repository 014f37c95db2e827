import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'

/** The origins of the demo, by the name that is their route (`Host: NAME.demo`). */
export const DEMO_ORIGINS = {
  quick: 'answers at once',
  slow: 'takes 300 ms for each answer',
  idle: 'closes a connection after an idle second',
  recycling: 'closes a connection after 100 requests',
  multiplexed: 'HTTP/2: one connection for everything',
  quic: 'HTTP/3: a lost packet stalls one stream alone',
} as const

export type DemoOriginName = keyof typeof DEMO_ORIGINS

/** What lies between the connector and its origins: half a continent. */
export const ROUND_TRIP_MS = 40

/** What the process with the origins reports to its parent, once. */
export interface OriginsReady {
  /** The certificate of the authority that vouches for all of them, PEM. */
  ca: string
  /** Of those that run: where their relays listen. */
  ports: Readonly<Partial<Record<DemoOriginName, number>>>
  /** Why there is no HTTP/3, if there is none. */
  withoutHttp3: string | undefined
}

/** The origins that run, in the order of the table. */
export function runningOrigins({
  ports,
}: Pick<OriginsReady, 'ports'>): { name: DemoOriginName; port: number }[] {
  const names = Object.keys(DEMO_ORIGINS) as DemoOriginName[] // its keys, which the type system widens
  return names.flatMap(name => {
    const port = ports[name]
    return port === undefined ? [] : [{ name, port }]
  })
}

export interface RunningOrigins extends OriginsReady {
  readonly child: ChildProcess
  /** Ends the process, and resolves when it is gone. */
  stop(): Promise<void>
}

/** Starts the demo's origins in a process of their own: `program` is origins-process.ts, built. */
export async function startOrigins(program: URL): Promise<RunningOrigins> {
  const child = spawn(process.execPath, [fileURLToPath(program)], {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  })
  const ready = await new Promise<OriginsReady>((resolve, reject) => {
    child.once('message', message => resolve(message as OriginsReady)) // all that the process sends
    child.once('error', reject)
    child.once('exit', code =>
      reject(new Error(`the demo origins ended with code ${code} before they were ready`)),
    )
  })
  return {
    ...ready,
    child,
    async stop() {
      if (child.exitCode !== null || child.signalCode !== null) return
      child.kill('SIGTERM')
      await once(child, 'exit')
    },
  }
}
