import { spawn } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { serviceNotification } from '../../../src/connect/native/service-notification.ts'
import { requireBinary } from '../../support/require-binary.ts'
import { spawnCli } from '../../support/spawn-cli.ts'
import { freePort } from '../../support/tcp-port.ts'
import { makeTemporaryDirectory } from '../../support/temporary-directory.ts'

const noPython = requireBinary('python3')

/** What systemd does: a datagram socket of its own, each message a line here. Its path may be an abstract name. */
const RECEIVER = `
import socket, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.bind(sys.argv[1].replace('@', chr(0)))
print('bound', flush=True)
while True:
    print(repr(s.recv(4096).decode()), flush=True)
`

async function receiver(path: string) {
  const child = spawn('python3', ['-c', RECEIVER, path], { stdio: ['ignore', 'pipe', 'inherit'] })
  let text = ''
  child.stdout.setEncoding('utf8').on('data', (more: string) => {
    text += more
  })
  await expect.poll(() => text, { timeout: 10_000 }).toContain('bound')
  return { text: () => text, [Symbol.dispose]: () => void child.kill('SIGKILL') }
}

/** Starts a listening socket as descriptor 3, as systemd does, and then the program in the same process. */
const ACTIVATE = `
import os, socket, sys
s = socket.socket(); s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
s.bind(('127.0.0.1', int(sys.argv[1]))); s.listen(100)
if s.fileno() != 3: os.dup2(s.fileno(), 3)
os.set_inheritable(3, True)
os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS='1', LISTEN_FDNAMES='web')
os.execvp(sys.argv[2], sys.argv[2:])
`

describe.skipIf(noPython !== undefined)('a service manager', () => {
  it.for(['socket', 'abstract'])('receives what it is notified of, by a %s', async kind => {
    using directory = makeTemporaryDirectory('notify')
    const path = kind === 'socket' ? join(directory.path, 'notify') : `@middlemile-${process.pid}`
    expect(serviceNotification(path)?.('READY=1')).toBe(false) // nobody is there yet
    using manager = await receiver(path)
    expect(serviceNotification(path)?.('READY=1')).toBe(true)
    await expect.poll(() => manager.text()).toContain("'READY=1'")
    expect(serviceNotification(undefined)).toBeUndefined()
    expect(serviceNotification('x'.repeat(200))).toBeUndefined()
  })

  it('is notified when workers take requests, and gives them the socket that it has opened', async () => {
    using directory = makeTemporaryDirectory('activation')
    using manager = await receiver(join(directory.path, 'notify'))
    const file = join(directory.path, 'config.json')
    const port = await freePort()
    const config = {
      workers: 2,
      listen: [{ address: `127.0.0.1:${port}` }],
      admin: { address: '127.0.0.1:0' },
      origins: { shop: { url: 'http://127.0.0.1:1' } },
    }
    writeFileSync(file, JSON.stringify(config))
    await using cli = spawnCli(['serve', '-c', file], undefined, {
      env: { ...process.env, NOTIFY_SOCKET: join(directory.path, 'notify') },
      prefix: ['python3', '-c', ACTIVATE, String(port)],
    })
    await cli.untilStdout(/listening on http:\/\/127\.0\.0\.1:\d+\n/)
    await expect.poll(() => manager.text()).toContain("'READY=1'")
    expect((await fetch(`http://127.0.0.1:${port}/`)).status).toBe(502)
    cli.signal('SIGHUP')
    await expect.poll(() => manager.text()).toMatch(/RELOADING=1\\nMONOTONIC_USEC=\d+'\n'READY=1'/)
    cli.signal('SIGTERM')
    expect((await cli.exited).exitCode).toBe(0)
    expect(manager.text()).toContain("'STOPPING=1'")
  })
})
