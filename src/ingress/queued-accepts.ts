import net from 'node:net'
import type { DuplexOptions } from 'node:stream'
import { descriptorOf } from '../base/socket/stream-socket.ts'
import { type SocketCalls, socketCalls } from '../connect/native/socket-calls.ts'

export interface QueuedAcceptsParts {
  readonly server: net.Server
  /** See IngressLimits. */
  readonly maxAcceptsPerTurn: number
  /** For the sockets that are made here. The server has given the same to its own. */
  readonly socketOptions: Readonly<{
    allowHalfOpen: boolean
    noDelay: boolean
    highWaterMark: number
    keepAlive: boolean
    keepAliveInitialDelay: number
  }>
  /** A connection that Node knows nothing of: `server.maxConnections` does not count it. */
  readonly onSocket: (socket: net.Socket) => void
  /** `maxAcceptsPerTurn` were accepted in one turn: more may wait. */
  readonly onLimit: () => void
}

type AcceptCalls = Pick<SocketCalls, 'accept' | 'close'>

/** The machine below; tests have another one. */
export interface AcceptMachine {
  readonly calls: () => AcceptCalls | undefined
  readonly open: (options: net.SocketConstructorOpts) => net.Socket
}

const MACHINE: AcceptMachine = { calls: nativeCalls, open: options => new net.Socket(options) }

/**
 * [D] Accepts what else waits in the queue of a listening socket whenever Node has accepted from it.
 * libuv accepts one connection per listener and turn of the event loop (since 1.45, libuv/libuv#3696; Node 20
 * has 1.46). With turns of 100 ms, the last of 30 clients that connect together would wait for 3 s.
 * Costs one poll(2), 0.4 us, for each turn that accepts; without native calls it does nothing.
 */
export class QueuedAccepts {
  readonly #parts: QueuedAcceptsParts
  readonly #machine: AcceptMachine
  readonly #calls: AcceptCalls | undefined
  #isAccepting = false

  constructor(parts: QueuedAcceptsParts, machine: AcceptMachine = MACHINE) {
    this.#parts = parts
    this.#machine = machine
    // A limit of one asks for no native calls.
    this.#calls = parts.maxAcceptsPerTurn > 1 ? machine.calls() : undefined
  }

  /**
   * Node took a connection out of the queue, whatever became of it. A call from within `onSocket` does
   * nothing.
   */
  onAccepted(): void {
    if (this.#isAccepting || this.#calls === undefined) return
    this.#isAccepting = true
    try {
      this.#acceptQueued(this.#calls)
    } finally {
      this.#isAccepting = false
    }
  }

  #acceptQueued(calls: AcceptCalls): void {
    const { server, maxAcceptsPerTurn, onSocket, onLimit } = this.#parts
    for (let accepted = 1; accepted < maxAcceptsPerTurn; accepted++) {
      // Read anew: whoever received the last socket may have paused or closed the listener.
      const listening = descriptorOf(server)
      const fd = listening === undefined ? undefined : calls.accept(listening)
      if (fd === undefined) return
      const socket = this.#open(fd, calls)
      if (socket !== undefined) onSocket(socket)
    }
    onLimit()
  }

  /** What net.Server does with a connection of its own. */
  #open(fd: number, calls: AcceptCalls): net.Socket | undefined {
    const { allowHalfOpen, highWaterMark, noDelay, keepAlive, keepAliveInitialDelay } =
      this.#parts.socketOptions
    // The types leave out what a socket hands on to Duplex.
    const options: net.SocketConstructorOpts & DuplexOptions = {
      fd,
      readable: true,
      writable: true,
      allowHalfOpen,
      highWaterMark,
    }
    let socket: net.Socket
    try {
      socket = this.#machine.open(options)
    } catch {
      calls.close(fd) // Node does not take it: libuv cannot tell what it is, or has no memory.
      return undefined
    }
    if (noDelay) socket.setNoDelay(true)
    if (keepAlive) socket.setKeepAlive(true, keepAliveInitialDelay)
    return socket
  }
}

function nativeCalls(): AcceptCalls | undefined {
  const loaded = socketCalls()
  return 'calls' in loaded ? loaded.calls : undefined
}
