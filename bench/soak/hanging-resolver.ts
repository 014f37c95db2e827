import { spawnSync } from 'node:child_process'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { findBinary } from '../../test/support/require-binary.ts'

/** A DNS server that takes questions and never answers, as the only one that a program knows. */
export interface HangingResolver extends AsyncDisposable {
  /**
   * The command line that starts a program in a mount namespace of its own, where /etc/resolv.conf names this
   * server.
   */
  wrap(command: readonly string[]): readonly string[]
}

/** Undefined: it can be had; else why not. Only root may make the namespace, and take the port. */
export function hangingResolverFault(): string | undefined {
  const unshare = findBinary('unshare')
  if (unshare === undefined) return 'unshare is missing (util-linux)'
  return spawnSync(unshare, ['--mount', 'true']).status === 0
    ? undefined
    : 'only root can have names that hang'
}

export async function startHangingResolver(directory: string): Promise<HangingResolver> {
  // All of 127/8 is this machine; another soak has another address.
  const address = `127.53.${process.pid & 0xff}.${1 + ((process.pid >> 8) & 0x7f)}`
  const socket = createSocket('udp4')
  socket.bind(53, address)
  await once(socket, 'listening')
  const file = join(directory, 'resolv.conf')
  writeFileSync(file, `nameserver ${address}\n`)
  return {
    wrap: command => [
      'unshare',
      '--mount',
      '/bin/sh',
      '-c',
      `mount --bind '${file}' /etc/resolv.conf && exec "$@"`,
      'sh',
      ...command,
    ],
    async [Symbol.asyncDispose]() {
      const closed = once(socket, 'close')
      socket.close()
      await closed
    },
  }
}
