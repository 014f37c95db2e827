import { spawn } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createTransport, type WebTransportSession } from '../../../src/index.ts'
import { createCertificateAuthority } from '../../../src/testing/certificates.ts'
import { requireQuic } from '../../support/require-quic.ts'
import { until } from '../../support/until.ts'
import { installWebTransportPackage } from '../../support/webtransport-package.ts'
import { bytesOfStream, writeAll } from './session-world.ts'

/** A server that does what a careless program does: it looks at no promise, and catches nothing. */
const SERVER = `
  import { Http3Server, quicheLoaded } from '@fails-components/webtransport'
  const { cert, privKey } = JSON.parse(process.argv[2])
  await quicheLoaded
  const server = new Http3Server({ port: 0, host: '127.0.0.1', secret: '-', cert, privKey, defaultDatagramsReadableMode: 'bytes' })
  server.startServer()
  await server.ready
  server.setRequestCallback(async asked => {
    const path = asked.header[':path']
    if (path === '/throws') throw new Error('a defect of its author')
    return { path, status: path === '/nothing' ? undefined : 200 }
  })
  const serve = async (path, take) => {
    const reader = server.sessionStream(path).getReader()
    for (;;) take((await reader.read()).value)
  }
  const echo = async session => {
    const streams = session.incomingBidirectionalStreams.getReader()
    for (;;) {
      const { value, done } = await streams.read()
      if (done) return
      value.readable.pipeTo(value.writable).catch(() => {})
    }
  }
  serve('/idle', () => {})
  serve('/echo', session => void echo(session))
  serve('/small', session => void session.datagrams.readable.getReader({ mode: 'byob' }).read(new Uint8Array(4)).catch(() => {}))
  console.log(server.address().port)
`

let installed: Awaited<ReturnType<typeof installWebTransportPackage>>
let server: ReturnType<typeof spawn>
let output = ''
let port = 0
let ca = ''
beforeAll(async () => {
  installed = await installWebTransportPackage()
  const program = join(installed.directory, 'server.mjs')
  writeFileSync(program, SERVER)
  const authority = await createCertificateAuthority()
  ca = authority.cert
  const { cert, key } = await authority.issue({ names: ['localhost'] })
  server = spawn(process.execPath, [program, JSON.stringify({ cert, privKey: key })])
  for (const stream of [server.stdout, server.stderr])
    stream?.setEncoding('utf8').on('data', (text: string) => (output += text))
  await until(() => /^\d+$/m.test(output), 'a port')
  port = Number(/^\d+$/m.exec(output)?.[0])
})
afterAll(() => {
  server.kill('SIGKILL')
  installed[Symbol.dispose]()
})

async function withSession(
  path: string,
  attack: (session: WebTransportSession) => Promise<void>,
): Promise<void> {
  await using transport = createTransport({ defaults: { protocols: ['h3'], tls: { ca } } })
  const session = transport.webTransport(`https://localhost:${port}${path}`)
  await session.ready
  await attack(session)
}

async function isServing(): Promise<void> {
  expect(server.exitCode, output).toBeNull()
  await withSession('/echo', async session => {
    const { readable, writable } = await session.createBidirectionalStream()
    await writeAll(writable, Buffer.from('still here'))
    expect(String(await bytesOfStream(readable))).toBe('still here')
  })
  expect(output).not.toMatch(/unhandled|uncaught/i)
}

describe.skipIf(requireQuic())('a careless server of the package goes on', () => {
  test.each(['/idle', '/echo'])(
    'when streams are reset and stopped as soon as they are open, at %s',
    async path => {
      await withSession(path, async session => {
        for (let i = 0; i < 600; i++) {
          const stream = await session.createBidirectionalStream({ waitUntilAvailable: true })
          const writer = stream.writable.getWriter()
          writer.write(Buffer.from('x')).catch(() => {})
          if (i % 3 === 0) await writer.abort().catch(() => {})
          else writer.close().catch(() => {})
          await stream.readable.cancel()
        }
      })
      await isServing()
    },
  )

  test('when sessions drain, close with any code, or are lost', async () => {
    await withSession('/idle', async session => {
      session.drain()
      session.close({ closeCode: 4_294_967_295, reason: 'é'.repeat(400) })
      await session.closed
    })
    await withSession('/echo', async session => {
      await session.createBidirectionalStream()
    })
    await isServing()
  })

  test('when datagrams are more than its reader has room for, or longer than its buffer', async () => {
    for (const path of ['/idle', '/small'])
      await withSession(path, async session => {
        const writer = session.datagrams.writable.getWriter()
        for (let i = 0; i < 2_000; i++) await writer.write(Buffer.alloc(1 + (i % 900)))
        await session.createBidirectionalStream()
      })
    await isServing()
  })

  test('when it is asked for what it has not, or its callback says nothing or throws', async () => {
    await using transport = createTransport({ defaults: { protocols: ['h3'], tls: { ca } } })
    const url = `https://localhost:${port}`
    expect(
      (await transport.request(`${url}/echo`).then(async response => (await response.dump(), response)))
        .status,
    ).toBe(404)
    for (const path of ['/nothing', '/nowhere', '/echo?x', `/${'x'.repeat(3_000)}`, '/__proto__'])
      await expect(transport.webTransport(url + path).ready).rejects.toMatchObject({
        code: 'MM_WEBTRANSPORT_REFUSED',
      })
    const silent = transport.webTransport(`${url}/throws`, { headersTimeoutMs: 500 })
    await expect(silent.ready).rejects.toMatchObject({ code: 'MM_HEADERS_TIMEOUT' })
    await isServing()
  })
})
