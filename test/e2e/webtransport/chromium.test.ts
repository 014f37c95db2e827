import { expect, test } from 'vitest'
import { createCertificateAuthority } from '../../../src/testing/certificates.ts'
import { requireBinary } from '../../support/require-binary.ts'
import { runInChromium } from '../../support/web-transport-page.ts'
import { bytesOfStream, echoStreams, sessionWorld, untilEnd, writeAll } from './session-world.ts'

const DAY_MS = 86_400_000

requireBinary('chromium')

test('Chromium opens a session by the hash of the certificate: streams, datagrams, codes and the end', async () => {
  const authority = await createCertificateAuthority()
  const tls = await authority.issue({ names: ['127.0.0.1'], notAfter: new Date(Date.now() + 10 * DAY_MS) })
  const uploads: number[] = []
  const world = await sessionWorld(
    session => {
      void echoStreams(session)
      void untilEnd(session.datagrams.readable, bytes => session.datagrams.writable.getWriter().write(bytes))
      void untilEnd(session.incomingUnidirectionalStreams, async readable => {
        uploads.push((await bytesOfStream(readable)).length)
        await writeAll(await session.createUnidirectionalStream(), Buffer.from('from the origin'))
        const { readable: answer, writable } = await session.createBidirectionalStream()
        await writeAll(writable, Buffer.from('question'))
        session.close({ closeCode: 9, reason: `origin: ${String(await bytesOfStream(answer))}` })
      })
    },
    { tls },
  )
  const result = await runInChromium(
    tls.cert,
    `https://127.0.0.1:${world.origin.port}/page`,
    `
    const session = open(target)
    await session.ready
    const read = async readable => {
      const reader = readable.getReader(); const chunks = []
      for (;;) { const { value, done } = await reader.read(); if (done) break; chunks.push(...value) }
      return chunks
    }
    const send = async (writable, bytes) => { const w = writable.getWriter(); await w.write(bytes); await w.close() }
    const both = await session.createBidirectionalStream()
    const bytes = new Uint8Array(200000).map((_, i) => i * 7)
    const [echo] = await Promise.all([read(both.readable), send(both.writable, bytes)])
    const datagrams = session.datagrams.writable.getWriter()
    await datagrams.write(new Uint8Array([1, 2, 3]))
    const datagram = (await session.datagrams.readable.getReader().read()).value
    await send(await session.createUnidirectionalStream(), new Uint8Array(50000))
    const text = list => new TextDecoder().decode(new Uint8Array(list))
    const uni = text(await read((await session.incomingUnidirectionalStreams.getReader().read()).value))
    const asked = (await session.incomingBidirectionalStreams.getReader().read()).value
    const question = text(await read(asked.readable))
    await send(asked.writable, new TextEncoder().encode('answer'))
    const { closeCode, reason } = await session.closed
    return { isSame: echo.length === bytes.length && echo.every((b, i) => b === bytes[i]), datagram: [...datagram], uni, question, closeCode, reason }
    `,
  )
  expect(result).toEqual({
    isSame: true,
    datagram: [1, 2, 3],
    uni: 'from the origin',
    question: 'question',
    closeCode: 9,
    reason: 'origin: answer',
  })
  expect(uploads).toEqual([50_000])
})

test('codes of Chromium arrive: that of a reset, and that of the end of the session', async () => {
  const authority = await createCertificateAuthority()
  const tls = await authority.issue({ names: ['127.0.0.1'], notAfter: new Date(Date.now() + 10 * DAY_MS) })
  const codes: unknown[] = []
  const world = await sessionWorld(
    session => {
      void untilEnd(session.incomingBidirectionalStreams, async ({ readable, writable }) => {
        const reader = readable.getReader()
        await reader.read()
        await writable.getWriter().write(Buffer.from('got it'))
        await reader.read().catch((error: { streamErrorCode: number }) => codes.push(error.streamErrorCode))
      })
      void session.closed.then(info => codes.push(info))
    },
    { tls },
  )
  await runInChromium(
    tls.cert,
    `https://127.0.0.1:${world.origin.port}/page`,
    `
    const session = open(target)
    await session.ready
    const { readable, writable } = await session.createBidirectionalStream()
    const writer = writable.getWriter()
    await writer.write(new Uint8Array([1]))
    await readable.getReader().read()
    await writer.abort(new WebTransportError({ message: 'no', streamErrorCode: 33 }))
    await new Promise(resolve => setTimeout(resolve, 300))
    session.close({ closeCode: 77, reason: 'bye' })
    await session.closed
    await new Promise(resolve => setTimeout(resolve, 300))
    `,
  )
  expect(codes).toEqual([33, { closeCode: 77, reason: 'bye' }])
})
