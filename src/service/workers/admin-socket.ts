import { type ListeningSocketCalls, listeningSocketCalls } from '../../connect/native/listening-sockets.ts'
import { unixPathOf } from '../../ingress/unix-socket.ts'
import type { AdminSettings } from '../config/service-settings.ts'
import { listenFailure } from '../lifecycle/listen-failure.ts'
import { removeSocketFile, takeSocketFile, type UnixSocketFile } from '../lifecycle/unix-socket-file.ts'
import { openUnixSocket } from './listening-descriptors.ts'

/** What the admin server of a service with workers listens on, where that is open before it. */
export class AdminSocket {
  /** Undefined: the server opens its own. */
  readonly descriptor: number | undefined
  readonly #file: UnixSocketFile | undefined

  private constructor(descriptor: number | undefined, file?: UnixSocketFile) {
    this.descriptor = descriptor
    this.#file = file
  }

  /**
   * What a predecessor left, if it is at the address of now. A Unix socket is opened here: Node would remove
   * the file of one that it has opened, though a successor has it. Rejects with MM_LISTEN_FAILED.
   */
  static async open(admin: AdminSettings, inherited: number | undefined): Promise<AdminSocket> {
    const loaded = listeningSocketCalls()
    if ('unavailable' in loaded) return new AdminSocket(undefined)
    const { calls } = loaded
    const isLeft = inherited !== undefined && isAt(calls, inherited, admin)
    if (inherited !== undefined && !isLeft) calls.close(inherited)
    const { address, mode } = admin
    const path = address && unixPathOf(address.host)
    if (address === undefined || path === undefined || mode === undefined)
      return new AdminSocket(isLeft ? inherited : undefined)
    try {
      if (isLeft) return new AdminSocket(inherited, takeSocketFile(path, mode))
      const { fd, file } = await openUnixSocket(calls, path, mode)
      return new AdminSocket(fd, file)
    } catch (error) {
      throw listenFailure('the admin server', address, error)
    }
  }

  /** Nobody comes to it any more, and nobody else has it. */
  removeFile(): void {
    if (this.#file !== undefined) removeSocketFile(this.#file)
  }
}

function isAt(calls: ListeningSocketCalls, fd: number, { address }: AdminSettings): boolean {
  if (address === undefined) return false
  const path = unixPathOf(address.host)
  if (path !== undefined) return calls.unixPathOf(fd) === path
  const found = calls.addressOf(fd)
  if (found === undefined) return false
  return address.port === 0 || (found.port === address.port && found.host === address.host)
}
