import { startAtEnd } from './link-process.ts'
import { LINK_ADDRESSES, type LossyLink } from './lossy-link.ts'

/** Of numbered datagrams that were sent over a link and sent back. */
export interface Echoes {
  /** Which ones came to the server. */
  readonly arrived: readonly number[]
  /** Which ones came back, and after how many milliseconds. */
  readonly returned: readonly { readonly number: number; readonly ms: number }[]
}

const PORT = 9
/** Longer than any way of a test. */
const PATIENCE_MS = 400
const AT_ONCE = 10
/** The next ones are sent when all have come back, or after this: some were lost. */
const PAUSE_MS = 25

const SERVER = `
const arrived = []
const socket = require('node:dgram').createSocket('udp4')
socket.on('message', (datagram, from) => {
  arrived.push(datagram.readUInt32BE())
  socket.send(datagram, from.port, from.address)
})
socket.bind(${PORT}, '${LINK_ADDRESSES.server}', () => process.send('ready'))
process.on('message', () => process.send(arrived))`

/** Ten at a time: a process that the machine keeps waiting must not lose them by itself, in its socket. */
const CLIENT = `
const count = Number(process.argv[1]), returned = [], sentAt = []
let next = 0, awaited = 0, timer
const socket = require('node:dgram').createSocket('udp4')
socket.on('message', datagram => {
  const number = datagram.readUInt32BE()
  returned.push({ number, ms: performance.now() - sentAt[number] })
  if (number >= next - ${AT_ONCE} && --awaited === 0) sendSome()
})
function sendSome() {
  clearTimeout(timer)
  if (next === count) return setTimeout(() => process.send(returned), ${PATIENCE_MS})
  awaited = Math.min(${AT_ONCE}, count - next)
  for (let i = 0; i < awaited; i++) {
    const datagram = Buffer.alloc(100)
    datagram.writeUInt32BE(next)
    sentAt[next++] = performance.now()
    socket.send(datagram, ${PORT}, '${LINK_ADDRESSES.server}')
  }
  timer = setTimeout(sendSome, ${PAUSE_MS})
}
socket.bind(0, '${LINK_ADDRESSES.client}', sendSome)`

/**
 * Sends that many numbered datagrams from the client's end of the link to the server's, where each is sent
 * back.
 */
export async function echoOver(link: LossyLink, count: number): Promise<Echoes> {
  await using server = startAtEnd(link, 'server', SERVER)
  await server.message()
  await using client = startAtEnd(link, 'client', CLIENT, String(count))
  const returned = (await client.message()) as Echoes['returned'] // CLIENT sends these
  const answer = server.message()
  server.child.send('arrived')
  return { arrived: (await answer) as Echoes['arrived'], returned } // SERVER sends these
}
