import { once } from 'node:events'
import { describe, expect, it } from 'vitest'
import type { Stream } from '../../../../src/http/multiplex/stream.ts'
import { StreamTunnel, Tunnels } from '../../../../src/http/multiplex/stream-tunnel.ts'
import { collectFaults, DEFECT, fail } from '../../../support/collected-faults.ts'

/** A stream that writes down what is asked of it. */
class FakeStream implements Stream {
  readonly id = 0
  isDeliveringOwned = false
  readonly isSendOpen = true
  readonly hasReceivedEnd = false
  readonly queuedBytes = 0
  readonly stallMs = undefined
  readonly log: string[] = []
  hasRoom = true

  respond(): void {}
  write(chunk: Uint8Array): boolean {
    this.log.push(`write ${Buffer.from(chunk).toString('latin1')}`)
    return this.hasRoom
  }
  end(): void {
    this.log.push('end')
  }
  reset(code: string): void {
    this.log.push(`reset ${code}`)
  }
  pause(): void {
    this.log.push('pause')
  }
  resume(): void {}
}

function bench(): { stream: FakeStream; tunnel: StreamTunnel; resets: string[] } {
  const stream = new FakeStream()
  const resets: string[] = []
  const tunnel = new StreamTunnel(
    stream,
    chunk => Buffer.from(chunk),
    () => void resets.push('reset'),
  )
  tunnel.duplex.on('error', error => void resets.push(error.message))
  return { stream, tunnel, resets }
}

/** Unlike once(), whether it was an error or not. */
const closed = (tunnel: StreamTunnel): Promise<void> =>
  new Promise(resolve => void tunnel.duplex.on('close', resolve))

describe('StreamTunnel', () => {
  it('keeps what it was lent, and accepts what it was given', async () => {
    const { stream, tunnel } = bench()
    const lent = Buffer.from('lent')
    tunnel.receiveData(lent)
    lent.fill(0)
    stream.isDeliveringOwned = true
    const given = Buffer.from('given')
    tunnel.receiveData(given)
    tunnel.receiveEnd()
    const chunks: Buffer[] = []
    for await (const chunk of tunnel.duplex) chunks.push(chunk as Buffer)
    expect(Buffer.concat(chunks).toString()).toBe('lentgiven')
  })

  it('pauses the stream when its reader stalls', () => {
    const { stream, tunnel } = bench()
    tunnel.receiveData(Buffer.alloc(1_000_000))
    expect(stream.log).toEqual(['pause'])
  })

  it('holds its writer until there is room', () => {
    const { stream, tunnel } = bench()
    stream.hasRoom = false
    tunnel.duplex.write('one')
    tunnel.duplex.write('two')
    expect(stream.log).toEqual(['write one'])
    stream.hasRoom = true
    tunnel.onWritable()
    tunnel.onWritable()
    expect(stream.log).toEqual(['write one', 'write two'])
  })

  it('is over when both sides have ended, and loses nothing', async () => {
    const { stream, tunnel, resets } = bench()
    tunnel.duplex.end('bye')
    tunnel.receiveEnd()
    tunnel.duplex.resume()
    await closed(tunnel)
    expect(stream.log).toEqual(['write bye', 'end'])
    expect(resets).toEqual([])
  })

  it('is reset by a destroy before that', () => {
    const { stream, tunnel, resets } = bench()
    tunnel.receiveEnd()
    tunnel.duplex.destroy()
    expect([stream.log, resets]).toEqual([['reset CANCEL'], ['reset']])
  })

  it('fails by a reset of the peer’s, unless that had ended and only refuses to receive more', async () => {
    const broken = bench()
    broken.tunnel.receiveReset(new Error('broken off'), true)
    await closed(broken.tunnel)
    expect(broken.resets).toContain('broken off')
    const polite = bench()
    polite.tunnel.receiveEnd()
    polite.tunnel.duplex.resume()
    polite.tunnel.receiveReset(new Error('enough'), false)
    await closed(polite.tunnel)
    expect(polite.resets).toEqual(['reset'])
    const early = bench()
    early.tunnel.receiveReset(new Error('enough'), false)
    await closed(early.tunnel)
    expect(early.resets).toContain('enough')
  })

  it('stays open until its reader has had everything, though the peer refuses to receive more', async () => {
    const { stream, tunnel, resets } = bench()
    tunnel.receiveData(Buffer.alloc(300_000, 'a'))
    tunnel.receiveEnd()
    tunnel.receiveReset(new Error('enough'), false)
    tunnel.duplex.write('into nothing')
    await new Promise(resolve => setImmediate(resolve))
    expect([tunnel.duplex.destroyed, tunnel.duplex.readableLength]).toEqual([false, 300_000])
    let bytes = 0
    for await (const chunk of tunnel.duplex) bytes += (chunk as Buffer).length
    expect([bytes, tunnel.duplex.destroyed, resets]).toEqual([300_000, true, ['reset']])
    expect(stream.log).toEqual(['pause', 'reset CANCEL'])
  })

  it('releases a writer that waits for room which will never come', async () => {
    const { stream, tunnel, resets } = bench()
    stream.hasRoom = false
    const written = new Promise<unknown>(resolve => void tunnel.duplex.write('one', resolve))
    tunnel.receiveData(Buffer.from('bye'))
    tunnel.receiveEnd()
    tunnel.receiveReset(new Error('enough'), false)
    expect((await written) ?? 'no error').toBe('no error')
    const ended = new Promise<void>(resolve => void tunnel.duplex.end('two', resolve))
    await ended
    expect([stream.log, resets, tunnel.duplex.read()?.toString()]).toEqual([['write one'], [], 'bye'])
    await closed(tunnel)
    expect(resets).toEqual([])
  })

  it('is closed at once when its reader has had everything before', async () => {
    const { tunnel, resets } = bench()
    tunnel.receiveEnd()
    tunnel.duplex.resume()
    await new Promise<void>(resolve => void tunnel.duplex.on('end', resolve))
    expect(tunnel.duplex.destroyed).toBe(false)
    tunnel.receiveReset(new Error('enough'), false)
    await closed(tunnel)
    expect(resets).toEqual(['reset'])
  })
})

it('a tunnel whose stream throws breaks, without harm to the program that feeds it', async () => {
  const heard = collectFaults()
  const { stream, tunnel } = bench()
  stream.write = fail
  const broken = once(tunnel.duplex, 'error')
  expect(() => tunnel.duplex.write('a')).not.toThrow()
  expect(await broken).toMatchObject([{ code: 'MM_INTERNAL', cause: DEFECT }])
  expect([heard(), stream.log]).toEqual([[`writing to a tunnel: ${String(DEFECT)}`], ['reset CANCEL']])
})

describe('the tunnels of a connection', () => {
  function held() {
    const log: string[] = []
    const tunnels = new Tunnels<string>({
      ref: () => void log.push('ref'),
      unref: () => void log.push('unref'),
    })
    return { log, tunnels, one: new FakeStream(), two: new FakeStream() }
  }

  it('keep the process alive from the first to the last of them', () => {
    const { log, tunnels, one, two } = held()
    tunnels.add(one, 'one')
    tunnels.add(two, 'two')
    expect([tunnels.take(one), tunnels.take(one)]).toEqual(['one', undefined])
    expect([log, tunnels.isEmpty]).toEqual([['ref'], false])
    expect(tunnels.take(two)).toBe('two')
    expect([log, tunnels.isEmpty]).toEqual([['ref', 'unref'], true])
  })

  it('do so no longer when all of them were let go, and again when one is held', () => {
    const { log, tunnels, one, two } = held()
    tunnels.add(one, 'one')
    tunnels.add(two, 'two')
    tunnels.letGo(one)
    tunnels.letGo(one)
    expect(log).toEqual(['ref'])
    tunnels.letGo(two)
    expect([log, tunnels.isEmpty]).toEqual([['ref', 'unref'], false])
    tunnels.hold(one)
    expect(log).toEqual(['ref', 'unref', 'ref'])
    tunnels.take(one)
    tunnels.hold(one) // it has ended
    expect(log).toEqual(['ref', 'unref', 'ref', 'unref'])
  })

  it('each say whether they are held', () => {
    const said: boolean[] = []
    const tunnel = new StreamTunnel(
      new FakeStream(),
      chunk => chunk,
      () => {},
      isHeld => void said.push(isHeld),
    )
    tunnel.duplex.unref()
    tunnel.duplex.ref()
    expect(said).toEqual([false, true])
  })
})
