import { expect, it } from 'vitest'
import type { DrivenConnection } from '../../../../src/quic/driven-connection.ts'
import { Turns } from '../../../../src/quic/udp/turns.ts'
import { UdpLink } from '../../../../src/quic/udp/udp-link.ts'
import { FakeClock } from '../../../../src/testing/fake-clock.ts'
import { collectFaults, DEFECT, fail } from '../../../support/collected-faults.ts'

const LOCAL = { host: '192.0.2.1', port: 443 }
const REMOTE = { host: '192.0.2.2', port: 4711 }

function linkOver(connection: Partial<DrivenConnection>) {
  const log: string[] = []
  const link = new UdpLink({
    connection: {
      isClosed: false,
      packetRoomBytes: 1350,
      nextDatagram: () => undefined,
      nextTimeoutAt: () => 1000,
      fail: (reason: string) => void log.push(`fail ${reason}`),
      ...connection,
    } as unknown as DrivenConnection, // what a link calls
    local: LOCAL,
    remote: REMOTE,
    clock: new FakeClock(),
    turns: new Turns(() => {}),
    socket: {
      room: bytes => Buffer.alloc(bytes),
      send: () => {},
      flush: () => {},
      isFull: () => false,
      ref: () => {},
      unref: () => {},
      release: () => void log.push('release'),
    },
  })
  link.owner = { onTurn: () => {}, onClosed: () => void log.push('closed') }
  return { link, log }
}

it.each(['datagram', 'turn'] as const)('a defect in a %s ends that QUIC connection', async event => {
  const heard = collectFaults()
  const { link, log } = linkOver(
    event === 'datagram' ? { receive: fail } : { receive: () => {}, nextDatagram: fail },
  )
  link.receive(Buffer.from('x'), REMOTE)
  await expect.poll(() => log).toEqual(['fail a defect', 'release', 'closed'])
  expect(heard()).toEqual([`a ${event} of a QUIC connection: ${String(DEFECT)}`])
  expect(link.isOver).toBe(true)
})

it('an owner that keeps throwing is still notified that its connection is closed', async () => {
  const heard = collectFaults()
  const { link, log } = linkOver({ receive: () => {} })
  link.owner = { onTurn: fail, onClosed: () => void log.push('closed') }
  await expect.poll(() => log).toEqual(['fail a defect', 'release', 'closed'])
  expect(heard()).toHaveLength(2)
})
