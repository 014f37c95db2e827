import { once } from 'node:events'
import { type AddressInfo, createServer } from 'node:net'
import { describe, expect, it } from 'vitest'
import { listeningInodes, listeningProcesses } from '../../../src/bench/local-origin.ts'

const TCP = `  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 4711 1 0 100 0 0 10 0
   1: 0100007F:1F90 0100007F:D431 01 00000000:00000000 00:00000000 00000000  1000        0 4712 1 0 100 0 0 10 0
   2: 00000000:0050 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4713 1 0 100 0 0 10 0
   3: 00000000:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 4714 1 0 100 0 0 10 0
`
const TCP6 = `  sl  local_address                         remote_address                        st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 00000000000000000000000000000000:1F90 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 99 1 0 100 0 0 10 0
`

describe('the process that listens on a port', () => {
  it('is listed in the tables of /proc/net by its state and its port', () => {
    expect(listeningInodes(TCP, 8080, '0A')).toEqual(['4711', '4714'])
    expect(listeningInodes(TCP6, 8080, '0A')).toEqual(['99'])
    expect(listeningInodes(TCP, 8081, '0A')).toEqual([])
    expect(listeningInodes('', 8080, '0A')).toEqual([])
  })

  it.runIf(process.platform === 'linux')('is found by its descriptors, ourselves for one', async () => {
    const server = createServer().listen(0, '127.0.0.1')
    await once(server, 'listening')
    const { port } = server.address() as AddressInfo // a server on a port has one
    expect(listeningProcesses(port)).toEqual([process.pid])
    server.close()
    await once(server, 'close')
    expect(listeningProcesses(port)).toEqual([])
  })
})
