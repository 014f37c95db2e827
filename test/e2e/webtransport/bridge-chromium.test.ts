import { expect, test } from 'vitest'
import { requireBinary } from '../../support/require-binary.ts'
import { runInChromium } from '../../support/web-transport-page.ts'
import { bridgeWorld } from './bridge-world.ts'
import { bytesOfStream, echoStreams, untilEnd, writeAll } from './session-world.ts'

requireBinary('chromium')

/** What pages have at hand. */
const PAGE = `
const read = async readable => {
  const reader = readable.getReader(); const chunks = []
  for (;;) { const { value, done } = await reader.read(); if (done) break; chunks.push(...value) }
  return chunks
}
const send = async (writable, bytes) => { const w = writable.getWriter(); await w.write(bytes); await w.close() }
const text = list => new TextDecoder().decode(new Uint8Array(list))
`

test('Chromium speaks with an origin through the connector: streams, datagrams, codes, subprotocol and the end', async () => {
  const uploads: number[] = []
  const resets: unknown[] = []
  const world = await bridgeWorld(session => {
    void untilEnd(session.datagrams.readable, bytes => session.datagrams.writable.getWriter().write(bytes))
    void untilEnd(session.incomingBidirectionalStreams, async ({ readable, writable }) => {
      readable
        .pipeTo(writable)
        .catch((error: { streamErrorCode: unknown }) => resets.push(error.streamErrorCode))
    })
    void untilEnd(session.incomingUnidirectionalStreams, async readable => {
      uploads.push((await bytesOfStream(readable)).length)
      await writeAll(await session.createUnidirectionalStream(), Buffer.from('from the origin'))
      const { readable: answer, writable } = await session.createBidirectionalStream()
      await writeAll(writable, Buffer.from('question'))
      session.close({ closeCode: 9, reason: `origin: ${String(await bytesOfStream(answer))}` })
    })
  })
  const result = await runInChromium(
    world.identity.cert,
    `https://127.0.0.1:${world.connector.port}/page`,
    `${PAGE}
    const session = open(target)
    await session.ready
    const both = await session.createBidirectionalStream()
    const bytes = new Uint8Array(200000).map((_, i) => i * 7)
    const [echo] = await Promise.all([read(both.readable), send(both.writable, bytes)])
    await session.datagrams.writable.getWriter().write(new Uint8Array([1, 2, 3]))
    const datagram = (await session.datagrams.readable.getReader().read()).value
    const broken = await session.createBidirectionalStream()
    const writer = broken.writable.getWriter()
    await writer.write(new Uint8Array([1]))
    const reader = broken.readable.getReader()
    await reader.read()
    await writer.abort(new WebTransportError({ message: 'no', streamErrorCode: 33 }))
    const code = await reader.read().then(() => 'none', error => error.streamErrorCode)
    await send(await session.createUnidirectionalStream(), new Uint8Array(50000))
    const uni = text(await read((await session.incomingUnidirectionalStreams.getReader().read()).value))
    const asked = (await session.incomingBidirectionalStreams.getReader().read()).value
    const question = text(await read(asked.readable))
    await send(asked.writable, new TextEncoder().encode('answer'))
    const { closeCode, reason } = await session.closed
    return { isSame: echo.length === bytes.length && echo.every((b, i) => b === bytes[i]), datagram: [...datagram], code, uni, question, closeCode, reason }
    `,
  )
  expect(result).toEqual({
    isSame: true,
    datagram: [1, 2, 3],
    code: 33,
    uni: 'from the origin',
    question: 'question',
    closeCode: 9,
    reason: 'origin: answer',
  })
  expect(uploads).toEqual([50_000])
  expect(resets).toEqual([33])
})

test('five sessions of a page share a connection, and its close codes reach the origin', async () => {
  const closed: unknown[] = []
  const world = await bridgeWorld(session => {
    void echoStreams(session)
    void session.closed.then(info => closed.push(info))
  })
  const result = await runInChromium(
    world.identity.cert,
    `https://127.0.0.1:${world.connector.port}/page`,
    `${PAGE}
    const sessions = [1, 2, 3, 4, 5].map(() => open(target))
    await Promise.all(sessions.map(({ ready }) => ready))
    const echoes = await Promise.all(sessions.map(async (session, i) => {
      const { readable, writable } = await session.createBidirectionalStream()
      await send(writable, new Uint8Array([i]))
      return (await read(readable))[0]
    }))
    for (const [i, session] of sessions.entries()) session.close({ closeCode: i, reason: 'bye ' + i })
    await Promise.all(sessions.map(({ closed }) => closed))
    await new Promise(resolve => setTimeout(resolve, 300))
    return echoes
    `,
  )
  expect(result).toEqual([0, 1, 2, 3, 4])
  expect(closed).toEqual(
    expect.arrayContaining([0, 1, 2, 3, 4].map(i => ({ closeCode: i, reason: `bye ${i}` }))),
  )
})

test('a page keeps its session when its connection comes from another address', async () => {
  const world = await bridgeWorld(session => void echoStreams(session), {
    isRelayed: 'client',
    listen: { http3: { clientMigration: 'on' } },
  })
  let isMoved = false
  const moving = (async () => {
    while (world.accepted.length === 0) await new Promise(resolve => setTimeout(resolve, 20))
    await new Promise(resolve => setTimeout(resolve, 300))
    await world.relay!.rebind()
    isMoved = true
  })()
  const result = await runInChromium(
    world.identity.cert,
    `https://127.0.0.1:${world.relay!.port}/page`,
    `${PAGE}
    const session = open(target)
    await session.ready
    const { readable, writable } = await session.createBidirectionalStream()
    const [reader, writer] = [readable.getReader(), writable.getWriter()]
    let echoed = 0
    for (let i = 0; i < 15; i++) {
      await writer.write(new Uint8Array([i]))
      echoed += (await reader.read()).value.length
      await new Promise(resolve => setTimeout(resolve, 100))
    }
    session.close()
    return echoed
    `,
  )
  await moving
  expect(isMoved).toBe(true)
  expect(result).toBe(15)
  expect(world.accepted).toHaveLength(1)
})
