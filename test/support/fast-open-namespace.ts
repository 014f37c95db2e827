import { spawnSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { enterNewNamespace, requireNamespaces } from './network-namespace.ts'
import { findBinary } from './require-binary.ts'
import { readTcpCounters, type TcpCounters } from './tcp-counters.ts'

/** net.ipv4.tcp_fastopen: bit 0 lets clients use Fast Open, bit 1 lets listeners that ask for it. */
export type FastOpenSysctl = 0 | 1 | 2 | 3

/**
 * A network namespace of this process with nothing but loopback, where Fast Open is what a test wants it to
 * be.
 */
export interface FastOpenNamespace extends Disposable {
  /** For `nsenter --net=PATH`. Children that are started meanwhile are in it by themselves. */
  readonly path: string
  /** Holds for SYNs that come and go from now on. */
  setFastOpen(value: FastOpenSysctl): void
  /** The kernel forgets every cookie: as if it had met no server. */
  flushCookies(): void
  counters(): TcpCounters
}

/** Undefined where it can be made, else the reason to skip. */
export function requireFastOpenNamespace(): string | undefined {
  return requireNamespaces()
}

/**
 * The process lives in a new namespace until that is disposed of: what it opens and starts from now on is
 * there (see network-namespace.ts for what is not). To be called in beforeAll or at the start of a test.
 */
export function enterFastOpenNamespace(tcpFastOpen: FastOpenSysctl): FastOpenNamespace {
  const stay = enterNewNamespace()
  const namespace: FastOpenNamespace = {
    path: stay.path,
    setFastOpen: writeFastOpen,
    flushCookies,
    counters: () => readTcpCounters(),
    [Symbol.dispose]: () => stay[Symbol.dispose](),
  }
  try {
    namespace.setFastOpen(tcpFastOpen)
    return namespace
  } catch (error) {
    stay[Symbol.dispose]()
    throw error
  }
}

/** The file is that of the namespace of who opens it, which with a synchronous call is the main thread. */
function writeFastOpen(value: FastOpenSysctl): void {
  writeFileSync('/proc/sys/net/ipv4/tcp_fastopen', String(value))
}

/** In the namespace that this process is in, or with a prefix (see LossyLink) in another. */
export function flushCookies(prefix: readonly string[] = []): void {
  const [command, ...args] = [...prefix, findBinary('ip') ?? 'ip', 'tcp_metrics', 'flush', 'all']
  const { status, stderr } = spawnSync(command, args, { encoding: 'utf8' })
  if (status !== 0) throw new Error(`cannot forget cookies: ${stderr}`)
}
