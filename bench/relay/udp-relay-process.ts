import { startUdpRelay } from '../../test/support/udp-relay.ts'

/**
 * A program: a UDP relay on loopback that makes the way to each target longer, in a process of its own as the TCP one. Arguments: the milliseconds of
 * each direction, the ports of the targets. Its ports come as a message.
 */
const [delayText = '', ...targets] = process.argv.slice(2)
const conditions = { latencyMs: Number(delayText) }

const relays = await Promise.all(targets.map(target => startUdpRelay(Number(target), { conditions })))
process.once('disconnect', () => process.exit(0))
process.send?.(relays.map(({ port }) => port))
