import { createSocket, type Socket as UdpSocket } from 'node:dgram'
import { once } from 'node:events'
import { createServer, type Server, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { questionOf, soa, WIRE_TYPES, type WireRecord, type WireReply, wireReply } from './dns-wire.ts'
import { freeDualPort } from './udp-port.ts'

export interface AskedQuestion {
  /** As it was written. */
  readonly name: string
  readonly type: number
  readonly transport: 'udp' | 'tcp'
  readonly query: Buffer
  /** The client's. */
  readonly port: number
  /** How many came before. */
  readonly index: number
}

/**
 * Bytes of one answer, or of several that are sent one after the other. Over TCP, each piece of `raw` goes as
 * it is, without a length in front, a moment after the one before, and then the connection ends.
 */
export type Answer = Buffer | readonly Buffer[] | { readonly raw: readonly Buffer[] } | undefined

/** Undefined: silence. */
export type Answering = (asked: AskedQuestion) => Answer | Promise<Answer>

/** A DNS server on 127.0.0.1, over UDP and TCP on one port, that says whatever a test wants. */
export class DnsServer implements AsyncDisposable {
  /** As resolvers are named: `127.0.0.1:port`. */
  readonly address: string
  readonly asked: AskedQuestion[] = []
  readonly #answering: Answering
  readonly #udp: UdpSocket
  readonly #tcp: Server | undefined
  readonly #connections = new Set<Socket>()
  #isClosed = false

  constructor(udp: UdpSocket, tcp: Server | undefined, answering: Answering) {
    this.#udp = udp
    this.#tcp = tcp
    this.#answering = answering
    this.address = `127.0.0.1:${udp.address().port}`
    udp.on('message', (query, { port, address }) => {
      const send = (bytes: Buffer): void => void (this.#isClosed || udp.send(bytes, port, address))
      void this.#answer(query, 'udp', port, answer => {
        if (answer === undefined) return
        if ('raw' in answer) throw new Error('a datagram is always raw')
        for (const bytes of Buffer.isBuffer(answer) ? [answer] : answer) send(bytes)
      })
    })
    tcp?.on('connection', connection => this.#serve(connection))
  }

  /** The clients that are connected over TCP. */
  get connections(): number {
    return this.#connections.size
  }

  /** What was asked, as `TYPE name transport`. */
  get log(): string[] {
    return this.asked.map(({ name, type, transport }) => `${typeName(type)} ${name} ${transport}`)
  }

  /** Sends a datagram that nobody asked this server for. */
  sendTo(port: number, bytes: Buffer): void {
    this.#udp.send(bytes, port, '127.0.0.1')
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#isClosed) return
    this.#isClosed = true
    for (const connection of this.#connections) connection.destroy()
    this.#udp.close()
    await new Promise<void>(resolve => {
      if (this.#tcp === undefined) resolve()
      else this.#tcp.close(() => resolve())
    })
  }

  #serve(connection: Socket): void {
    this.#connections.add(connection)
    connection.on('close', () => this.#connections.delete(connection))
    connection.on('error', () => connection.destroy())
    let received = Buffer.alloc(0)
    connection.on('data', chunk => {
      received = Buffer.concat([received, chunk])
      while (received.length >= 2 && received.length >= 2 + received.readUInt16BE(0)) {
        const query = received.subarray(2, 2 + received.readUInt16BE(0))
        received = received.subarray(2 + query.length)
        void this.#answer(query, 'tcp', connection.remotePort ?? 0, answer => {
          if (answer === undefined || connection.destroyed) return
          if ('raw' in answer) void sendPieces(connection, answer.raw)
          else
            for (const bytes of Buffer.isBuffer(answer) ? [answer] : answer) {
              const length = Buffer.alloc(2)
              length.writeUInt16BE(bytes.length)
              connection.write(Buffer.concat([length, bytes]))
            }
        })
      }
    })
  }

  async #answer(
    query: Buffer,
    transport: 'udp' | 'tcp',
    port: number,
    send: (answer: Answer) => void,
  ): Promise<void> {
    const question = questionOf(query)
    const type = question.readUInt16BE(question.length - 4)
    const asked = { name: nameOf(question), type, transport, query, port, index: this.asked.length }
    this.asked.push(asked)
    const answer = await this.#answering(asked)
    if (!this.#isClosed) send(answer)
  }
}

/** Starts a server that is answered for by `answering`. `hasTcp` false: TCP connections are refused. */
export async function startDnsServer(answering: Answering, hasTcp = true): Promise<DnsServer> {
  const port = await freeDualPort()
  const udp = createSocket('udp4')
  udp.bind(port, '127.0.0.1')
  await once(udp, 'listening')
  if (!hasTcp) return new DnsServer(udp, undefined, answering)
  const tcp = createServer()
  tcp.listen(port, '127.0.0.1')
  await once(tcp, 'listening')
  return new DnsServer(udp, tcp, answering)
}

async function sendPieces(connection: Socket, pieces: readonly Buffer[]): Promise<void> {
  connection.setNoDelay(true)
  for (const piece of pieces) {
    connection.write(piece)
    await sleep(3)
  }
  connection.end()
}

/**
 * Answers as a recursive resolver that knows these records: CNAME records are followed, what is not there
 * comes with an SOA record.
 */
export function fromZone(records: readonly WireRecord[], negativeTtl = 60): Answering {
  return asked => wireReply(asked.query, zoneReply(records, asked, negativeTtl))
}

function zoneReply(
  records: readonly WireRecord[],
  { name, type }: Pick<AskedQuestion, 'name' | 'type'>,
  negativeTtl = 60,
): WireReply {
  const answers: WireRecord[] = []
  let at = name.toLowerCase()
  // As resolvers do with circles: they stop, and send what they have.
  for (let hops = 0; hops < 16; hops++) {
    const here = records.filter(record => record.name === at)
    const alias = here.find(record => record.type === 'CNAME')
    if (alias === undefined || type === WIRE_TYPES.CNAME) {
      const found = here.filter(record => WIRE_TYPES[record.type] === type)
      answers.push(...found)
      if (found.length > 0) return { answers }
      return {
        rcode: here.length > 0 ? 0 : 3,
        answers,
        authorities: [soa('zone.example', 3600, negativeTtl)],
      }
    }
    if (answers.includes(alias)) break
    answers.push(alias)
    at = nameOf(Buffer.from(alias.rdata))
  }
  return { answers }
}

function nameOf(wire: Buffer): string {
  const labels: string[] = []
  for (let at = 0; (wire[at] ?? 0) > 0; ) {
    const end = at + 1 + (wire[at] ?? 0)
    labels.push(wire.toString('latin1', at + 1, end))
    at = end
  }
  return labels.join('.')
}

function typeName(type: number): string {
  return Object.entries(WIRE_TYPES).find(([, number]) => number === type)?.[0] ?? String(type)
}
