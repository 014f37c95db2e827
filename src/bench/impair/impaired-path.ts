import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import type { Conditions, Direction } from './conditions.ts'
import { measurePath, type PathMeasurement, type PathTolerances } from './measure-path.ts'
import type {
  ImpairAnswer,
  ImpairAsk,
  ImpairQuestion,
  OpenedPath,
  PathCounts,
  PathTarget,
} from './open-path.ts'
import { MIN_RTO_MS } from './piece-sender.ts'

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

/**
 * What a figure over an impaired path does not show, a sentence each: reports print them beside the figure.
 */
export function limits(): readonly string[] {
  return [
    'the impairment is a relay in user space between two local sockets, not a network: it costs CPU, timers are up to a millisecond late, and packets between kernel and relay are those of the local path',
    'TCP: a loss is a computed stall: the stream is cut into pieces of 1,460 bytes, and a lost one holds back all behind it until TCP would have sent it again ' +
      `(a round trip after the third piece behind it, 1.25 after the first, else a timer of the round trip and ${MIN_RTO_MS} ms)`,
    'TCP: this shows head-of-line blocking and no congestion control: no slow start, and a loss does not slow the sender down afterwards, as it would; QUIC over the UDP relay does slow down',
    'TCP: no SYN is lost, the handshake costs one round trip and nothing more, a server that refuses is seen as one that accepts and resets, Fast Open saves nothing, and a black hole still accepts connections',
    "TCP: there are no packet counts, and TCP_INFO, keepalives and user timeouts of either end describe the relay's kernel, which acknowledges at once",
    'TCP: after a black hole bytes go on at once, where a sender would wait for its next retransmission',
    'UDP: reordering is of datagrams alone, and makes QUIC wait and take them for lost; bytes of TCP are never overtaken',
    'UDP: no MTU, no ECN and no ICMP: nothing reports what is lost',
  ]
}

interface Asked {
  readonly resolve: (value: unknown) => void
  readonly reject: (error: Error) => void
}

/** The relays' process, asked over its channel. */
class ImpairChild implements AsyncDisposable {
  readonly #child: ChildProcess
  readonly #asked = new Map<number, Asked>()
  #count = 0

  /** `program`: impair-process.ts, compiled. `prefix` stands before its command line (taskset). */
  constructor(program: URL, prefix: readonly string[]) {
    const line = [...prefix, process.execPath, fileURLToPath(program)]
    this.#child = spawn(line[0] ?? process.execPath, line.slice(1), {
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    })
    this.#child.on('message', message => this.#onAnswer(message as ImpairAnswer)) // all that it sends
    this.#child.on('error', error => this.#onGone(error.message))
    this.#child.on('exit', (code, signal) => this.#onGone(`code ${code}, signal ${signal}`))
  }

  get pid(): number {
    return this.#child.pid ?? -1
  }

  /** Resolves with the answer, whose type the question determines: see impair-process.ts. */
  ask(ask: ImpairAsk): Promise<unknown> {
    if (!this.#child.connected) return Promise.reject(new Error("the relays' process has ended"))
    const id = this.#count++
    const question: ImpairQuestion = { id, ask }
    return new Promise((resolve, reject) => {
      this.#asked.set(id, { resolve, reject })
      this.#child.send(question, error => {
        if (error !== null) this.#onGone(error.message)
      })
    })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const { exitCode, signalCode, pid } = this.#child
    if (exitCode !== null || signalCode !== null || pid === undefined) return
    const exited = once(this.#child, 'exit')
    this.#child.kill('SIGKILL')
    await exited
  }

  #onAnswer(answer: ImpairAnswer): void {
    const asked = this.#asked.get(answer.id)
    this.#asked.delete(answer.id)
    if (answer.kind === 'done') asked?.resolve(answer.value)
    else asked?.reject(new Error(answer.error))
  }

  #onGone(why: string): void {
    for (const { reject } of this.#asked.values()) reject(new Error(`the relays' process has ended: ${why}`))
    this.#asked.clear()
  }
}
