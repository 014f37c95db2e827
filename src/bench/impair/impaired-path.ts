import type { Conditions, Direction } from './conditions.ts'
import { ImpairChild } from './impair-child.ts'
import type { OpenedPath, PathCounts } from './impair-messages.ts'
import { measurePath, type PathMeasurement, type PathTolerances } from './measure-path.ts'
import type { PathTarget } from './open-path.ts'

export interface ImpairedPathOptions extends PathTarget {
  /**
   * Stands before the command line of the relays' process: taskset, say. It has to stay in this network
   * namespace. Default: nothing.
   */
  readonly prefix?: readonly string[]
  /** impair-process.ts, compiled. Default: beside this file. */
  readonly program?: URL
}

/**
 * The path to a server over TCP, and over UDP on the same port number, impaired by relays in a process of
 * their own. limits() says what it does not show.
 */
export interface ImpairedPath extends AsyncDisposable {
  readonly host: string
  readonly port: number
  /** Of the relays' process. */
  readonly pid: number
  setConditions(direction: Direction, conditions: Conditions): Promise<void>
  counts(): Promise<PathCounts>
  /** As a NAT that forgot: datagrams reach the server from other ports from now on (ImpairedUdp.rebind). */
  rebind(host?: string, keepsOldMs?: number): Promise<void>
  /** Nothing passes any more for the UDP clients that there are; new ones go on. */
  silence(): Promise<void>
  /**
   * Measures the delay with echoes behind a second pair of relays in the same process: same delays, nothing
   * left to chance. Rejects when it is not what it should be, or when something comes back changed.
   */
  measurePath(tolerances?: PathTolerances): Promise<PathMeasurement>
}

/** Resolves when both relays listen. */
export async function startImpairedPath(options: ImpairedPathOptions): Promise<ImpairedPath> {
  const { host, tcpPort, udpPort, seed, prefix = [] } = options
  const { program = new URL('./impair-process.js', import.meta.url) } = options
  const child = new ImpairChild(program, prefix)
  const open = async (target: PathTarget): Promise<OpenedPath> =>
    (await child.ask({ kind: 'open', target })) as OpenedPath // what `open` answers
  try {
    let { conditions } = options
    const target = { host, tcpPort, ...(udpPort !== undefined && { udpPort }), conditions, seed }
    const { path, port } = await open(target)
    return {
      host: '127.0.0.1',
      port,
      pid: child.pid,
      async setConditions(direction, changed) {
        await child.ask({ kind: 'setConditions', path, direction, conditions: changed })
        conditions = { ...conditions, [direction]: changed }
      },
      async counts() {
        return (await child.ask({ kind: 'counts', path })) as PathCounts // what `counts` answers
      },
      async rebind(to, keepsOldMs = 0) {
        await child.ask({ kind: 'rebind', path, keepsOldMs, ...(to !== undefined && { host: to }) })
      },
      async silence() {
        await child.ask({ kind: 'silence', path })
      },
      measurePath(tolerances) {
        const close = async (measured: number): Promise<void> => {
          await child.ask({ kind: 'close', path: measured })
        }
        return measurePath({ open, close, conditions, hasUdp: udpPort !== undefined, tolerances })
      },
      [Symbol.asyncDispose]: () => child[Symbol.asyncDispose](),
    }
  } catch (error) {
    await child[Symbol.asyncDispose]()
    throw error
  }
}
