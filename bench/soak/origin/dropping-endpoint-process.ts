import { createServer } from 'node:net'

/**
 * A program: an endpoint that listens and never accepts. With its short queue full the kernel drops further
 * SYNs, as a firewall does that swallows them. Its argument is the port.
 */
const server = createServer()
server.listen({ port: Number(process.argv[2]), host: '127.0.0.1', backlog: 1 }, () => {
  process.send?.('ready', () => {
    // The thread stands still from here on; a signal ends it all the same.
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0)
  })
})
