import { type AddressInfo, connect, createServer } from 'node:net'
import { joinDelayed } from './join-delayed.ts'

/**
 * A program: a TCP relay on loopback that makes the way to each target longer. It has a process of its own, so that its work and its
 * timers are nobody else's. Arguments: the milliseconds of each direction, the ports of the targets. Its ports come as a message.
 */
const [delayText = '', ...targets] = process.argv.slice(2)
const delayMs = Number(delayText)

const ports = await Promise.all(targets.map(target => relayTo(Number(target))))
process.once('disconnect', () => process.exit(0))
process.send?.(ports)

function relayTo(target: number): Promise<number> {
  const server = createServer({ allowHalfOpen: true, noDelay: true }, client => {
    const origin = connect({ port: target, host: '127.0.0.1', allowHalfOpen: true, noDelay: true })
    const acceptedAt = performance.now()
    // The kernel has shaken hands with the client already. Over a real way that takes one round trip before the first byte can be sent.
    joinDelayed(client, origin, delayMs, acceptedAt + 2 * delayMs)
    joinDelayed(origin, client, delayMs, acceptedAt)
  })
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen({ port: 0, host: '127.0.0.1', backlog: 1024 }, () => {
      resolve((server.address() as AddressInfo).port) // it listens on TCP
    })
  })
}
