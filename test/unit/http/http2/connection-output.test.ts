import type { Socket } from 'node:net'
import { Writable } from 'node:stream'
import { describe, expect, it } from 'vitest'
import { ReadPort } from '../../../../src/base/socket/read-port.ts'
import { ConnectionOutput } from '../../../../src/http/http2/connection-output.ts'
import type { Http2Session } from '../../../../src/http/http2/http2-session.ts'
import { FakeClock } from '../../../../src/testing/fake-clock.ts'

/** The output of a session: what it gives out is filled with rubbish as soon as it is released. */
class FakeOutput {
  #waiting: Buffer[] = []
  #taken: Buffer[] | undefined

  put(...pieces: string[]): void {
    this.#waiting.push(...pieces.map(piece => Buffer.from(piece)))
  }

  get outputBytes(): number {
    return this.#waiting.reduce((sum, { length }) => sum + length, 0)
  }

  takeOutput(): readonly Buffer[] {
    if (this.#taken !== undefined) throw new Error('one at a time')
    this.#taken = this.#waiting
    this.#waiting = []
    return this.#taken
  }

  releaseOutput(): void {
    if (this.#taken === undefined) throw new Error('nothing was taken')
    for (const piece of this.#taken) piece.fill('#')
    this.#taken = undefined
  }

  get isTaken(): boolean {
    return this.#taken !== undefined
  }
}

/** Takes writes at once, or when it is told to, as a slow socket or TLS does. */
class FakeSocket extends Writable {
  readonly writes: string[] = []
  isSlow = false
  #held: (() => void) | undefined

  constructor() {
    super({ highWaterMark: 1 })
    this.on('error', () => undefined)
  }

  #take(chunks: Buffer[], callback: () => void): void {
    const finish = (): void => {
      this.writes.push(Buffer.concat(chunks).toString())
      callback()
    }
    if (this.isSlow) this.#held = finish
    else finish()
  }

  override _write(chunk: Buffer, _encoding: string, callback: () => void): void {
    this.#take([chunk], callback)
  }

  override _writev(chunks: { chunk: Buffer }[], callback: () => void): void {
    this.#take(
      chunks.map(({ chunk }) => chunk),
      callback,
    )
  }

  letGo(): void {
    const held = this.#held
    this.#held = undefined
    held?.()
  }

  resume(): this {
    return this
  }
}

const turn = (): Promise<void> => new Promise(resolve => setImmediate(resolve))

function start(): { socket: FakeSocket; session: FakeOutput; output: ConnectionOutput } {
  const socket = new FakeSocket()
  const session = new FakeOutput()
  // The parts of both that are used.
  const output = new ConnectionOutput(socket as unknown as Socket, session as unknown as Http2Session, () =>
    socket.destroy(),
  )
  return { socket, session, output }
}

describe('the output of a connection', () => {
  it('leaves in one write per turn, however often it is asked for', async () => {
    const { socket, session, output } = start()
    session.put('a')
    output.schedule()
    session.put('b')
    output.schedule()
    expect(socket.writes).toEqual([])
    await turn()
    expect(socket.writes).toEqual(['ab'])
    session.put('c')
    output.schedule()
    await turn()
    expect(socket.writes).toEqual(['ab', 'c'])
    expect(session.isTaken).toBe(false)
  })

  it('waits for the write that is under way, and does not touch its memory', async () => {
    const { socket, session, output } = start()
    socket.isSlow = true
    session.put('first')
    output.schedule()
    await turn()
    expect(session.isTaken).toBe(true)
    session.put('second')
    output.schedule()
    session.put('third')
    output.schedule()
    await turn()
    expect(socket.writes).toEqual([])
    socket.letGo()
    await turn()
    expect([socket.writes, session.isTaken]).toEqual([['first'], true])
    socket.letGo()
    await turn()
    expect([socket.writes, session.isTaken]).toEqual([['first', 'secondthird'], false])
  })

  it('tells callbacks of writes that ended at once from those that did not', async () => {
    const { socket, session, output } = start()
    for (let round = 0; round < 20; round++) {
      socket.isSlow = round % 3 === 1
      session.put(`<${round}>`)
      output.schedule()
      await turn()
      expect(session.isTaken).toBe(socket.isSlow)
      socket.letGo()
      await turn()
      expect(session.isTaken).toBe(false)
    }
    expect(socket.writes.join('')).toBe(Array.from({ length: 20 }, (_, round) => `<${round}>`).join(''))
  })

  it('is written to its end before the socket is ended', async () => {
    const { socket, session, output } = start()
    const clock = new FakeClock()
    socket.isSlow = true
    session.put('first')
    output.schedule()
    await turn()
    session.put('goaway')
    output.end(new ReadPort(), clock)
    output.end(new ReadPort(), clock)
    expect(socket.writableEnded).toBe(false)
    socket.letGo()
    await turn()
    socket.letGo()
    await turn()
    expect([socket.writes, socket.writableEnded]).toEqual([['first', 'goaway'], true])
  })

  it('has a second to leave after the end, and then the socket is destroyed', async () => {
    const { socket, session, output } = start()
    const clock = new FakeClock()
    socket.isSlow = true
    session.put('goaway')
    output.end(new ReadPort(), clock)
    clock.advance(999)
    expect(socket.destroyed).toBe(false)
    clock.advance(1)
    expect(socket.destroyed).toBe(true)
    await turn()
    expect(clock.pendingTimers()).toBe(0)
  })

  it('is given up when the socket is gone', async () => {
    const { socket, session, output } = start()
    session.put('lost')
    output.schedule()
    socket.destroy()
    await turn()
    output.end(new ReadPort(), new FakeClock())
    expect([socket.writes, session.isTaken]).toEqual([[], false])
  })
})
