import { type ChildProcess, spawn } from 'node:child_process'
import { accessSync, constants } from 'node:fs'
import { dirname, join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { onProcessExit } from './cleanup.ts'
import { type FastOpenSysctl, flushCookies } from './fast-open-namespace.ts'
import { enterNamespace, type Stay } from './network-namespace.ts'
import { findBinary, requireBinary } from './require-binary.ts'
import { runTool } from './run-tool.ts'
import { readTcpCounters, type TcpCounters } from './tcp-counters.ts'
import { makeTemporaryDirectory, type TemporaryDirectory } from './temporary-directory.ts'

const SOURCE = join(dirname(fileURLToPath(import.meta.url)), 'lossy-link', 'lossy-link.c')

/** Packets since the start. */
interface LinkCounts {
  toServer: number
  toClient: number
  lost: number
}

/** What a middlebox that knows no Fast Open, or none at all, does: see lossy-link.c. One at a time. */
type LinkFilter = 'none' | 'syn-data' | 'syn-fast-open' | 'all'

/** SYNs that came from the client's end since the start, those that were lost included. */
export interface SynCounts {
  syns: number
  /** With the option of Fast Open, which asks for a cookie or has one. */
  withFastOpen: number
  withData: number
  /** Of all of them. */
  dataBytes: number
  /** The most that one of them carried. */
  mostDataBytes: number
}

/** The ends of the link, as what lives there sees them. */
export const LINK_ADDRESSES = { client: '10.78.0.1', server: '10.78.0.2' } as const
export type LinkEnd = keyof typeof LINK_ADDRESSES

/** A link between two network namespaces that loses the packets that it is told to: see lossy-link.c. */
export interface LossyLink extends AsyncDisposable {
  /** The port on 127.0.0.1 of a path over the link to that port of 127.0.0.1. */
  open(serverPort: number): Promise<number>
  /**
   * Loses the nth packet of at least `minBytes` (headers of IP and TCP included) that comes from now on. 1 is
   * the next one.
   */
  dropNth(direction: 'to-server' | 'to-client', nth: number, minBytes: number): Promise<void>
  /**
   * Loses that share (0 to 1) of the packets from now on, in each direction by itself. Which ones is a matter
   * of the seed (a whole number) and of how many have come since: the same traffic loses the same packets
   * again.
   */
  lose(share: number, seed: number): Promise<void>
  /** One way, for packets that come from now on. */
  delay(delayMs: number): Promise<void>
  /**
   * Stands before a command line and makes it run at that end, as the only process that it starts: its id and
   * its signals are the program's.
   */
  prefix(end: LinkEnd): readonly string[]
  counts(): Promise<LinkCounts>
  /** Of all packets since the start, with their IP headers, those that were lost included. */
  bytes(): Promise<{ readonly toServer: number; readonly toClient: number }>
  /**
   * Loses all packets of that kind, beside those that are lost by number or by chance, until another filter
   * is set.
   */
  filter(what: LinkFilter): Promise<void>
  syns(): Promise<SynCounts>
  /**
   * net.ipv4.tcp_fastopen at both ends, or at one. Without it the ends have the kernel's own, which lets
   * clients use Fast Open.
   */
  setFastOpen(value: FastOpenSysctl, end?: LinkEnd): Promise<void>
  /** The client's kernel forgets every cookie. */
  flushCookies(): void
  tcpCounters(end: LinkEnd): TcpCounters
  /**
   * This process itself lives at that end until the stay is disposed of: for tests that drive the transport
   * over the link, with the servers started during a stay at the other end (they remain there). Takes what
   * requireNamespaces() asks for.
   */
  enter(end: LinkEnd): Stay
}

/** Undefined where the link can be made, else the reason to skip. */
export function requireLossyLink(): string | undefined {
  if (process.platform !== 'linux') return 'skipped: network namespaces are a thing of Linux'
  if (process.getuid?.() !== 0) return 'skipped: a network namespace takes root'
  try {
    accessSync('/dev/net/tun', constants.R_OK | constants.W_OK)
  } catch {
    return 'skipped: there is no /dev/net/tun'
  }
  return requireBinary('cc', 'nsenter')
}

/**
 * Compiles the helper and starts it. Packets take `delayMs` one way. `source` is for who runs from a compiled
 * copy of this file.
 */
export async function startLossyLink(delayMs: number, source: string = SOURCE): Promise<LossyLink> {
  const directory = makeTemporaryDirectory('lossy-link')
  try {
    const program = join(directory.path, 'lossy-link')
    const { exitCode, output } = await runTool('cc', ['-O2', '-Wall', '-o', program, source])
    if (exitCode !== 0) throw new Error(`cc failed:\n${output}`)
    const link = new HelperProcess(program, directory)
    await link.answer()
    await link.delay(delayMs)
    await link.findNamespaces()
    return link
  } catch (error) {
    directory.remove()
    throw error
  }
}

class HelperProcess implements LossyLink {
  readonly #child: ChildProcess
  readonly #directory: TemporaryDirectory
  readonly #lines: AsyncIterator<string>
  readonly #ended: Promise<unknown>
  readonly #forget: () => void
  #stderr = ''
  #namespaces: Readonly<Record<LinkEnd, string>> = { client: '', server: '' }

  constructor(program: string, directory: TemporaryDirectory) {
    const child = spawn(program, { stdio: ['pipe', 'pipe', 'pipe'] })
    this.#child = child
    this.#directory = directory
    this.#lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
    this.#ended = new Promise(resolve => child.once('close', resolve))
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      this.#stderr += text
    })
    child.stdin.on('error', () => {}) // it has ended: the next answer says so
    this.#forget = onProcessExit(() => child.kill('SIGKILL'))
  }

  async answer(): Promise<string> {
    const { value, done } = await this.#lines.next()
    if (done === true) throw new Error(`lossy-link has ended: ${this.#stderr}`)
    return value
  }

  ask(command: string): Promise<string> {
    this.#child.stdin?.write(`${command}\n`)
    return this.answer()
  }

  async open(serverPort: number): Promise<number> {
    return Number(await this.ask(`open ${serverPort}`))
  }

  async dropNth(direction: 'to-server' | 'to-client', nth: number, minBytes: number): Promise<void> {
    await this.ask(`drop ${direction === 'to-server' ? 0 : 1} ${nth} ${minBytes}`)
  }

  async lose(share: number, seed: number): Promise<void> {
    await this.ask(`loss ${share} ${seed}`)
  }

  async delay(delayMs: number): Promise<void> {
    await this.ask(`delay ${delayMs}`)
  }

  async findNamespaces(): Promise<void> {
    const [client, server] = (await this.ask('namespaces')).split(' ')
    const path = (fd: string | undefined): string => `/proc/${this.#child.pid}/fd/${fd}`
    this.#namespaces = { client: path(client), server: path(server) }
  }

  prefix(end: LinkEnd): readonly string[] {
    return [findBinary('nsenter') ?? 'nsenter', `--net=${this.#namespaces[end]}`]
  }

  async counts(): Promise<LinkCounts> {
    const [toServer = 0, toClient = 0, lost = 0] = (await this.ask('counts')).split(' ').map(Number)
    return { toServer, toClient, lost }
  }

  async bytes(): Promise<{ toServer: number; toClient: number }> {
    const [toServer = 0, toClient = 0] = (await this.ask('bytes')).split(' ').map(Number)
    return { toServer, toClient }
  }

  async filter(what: LinkFilter): Promise<void> {
    await this.ask(`filter ${what}`)
  }

  async syns(): Promise<SynCounts> {
    const [syns = 0, withFastOpen = 0, withData = 0, dataBytes = 0, mostDataBytes = 0] = (
      await this.ask('syns')
    )
      .split(' ')
      .map(Number)
    return { syns, withFastOpen, withData, dataBytes, mostDataBytes }
  }

  async setFastOpen(value: FastOpenSysctl, end?: LinkEnd): Promise<void> {
    if (end !== 'server') await this.ask(`fastopen 0 ${value}`)
    if (end !== 'client') await this.ask(`fastopen 1 ${value}`)
  }

  flushCookies(): void {
    flushCookies(this.prefix('client'))
  }

  tcpCounters(end: LinkEnd): TcpCounters {
    return readTcpCounters(this.prefix(end))
  }

  enter(end: LinkEnd): Stay {
    return enterNamespace(this.#namespaces[end])
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#child.stdin?.end()
    await this.#ended
    this.#forget()
    this.#directory.remove()
  }
}
