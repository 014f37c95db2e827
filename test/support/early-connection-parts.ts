import { FakeClock } from '../../src/testing/fake-clock.ts'
import { CLEARTEXT } from '../contract/http1-peer.ts'
import { RecordingListener } from '../contract/recorder.ts'
import { FakeEarlyGate, FakeStreamSocket } from './fake-early-gate.ts'

/**
 * What a connection of either protocol is made of when its handshake is under way, and what the test holds of
 * it.
 */
export function earlyConnectionParts() {
  const log: string[] = []
  const clock = new FakeClock()
  const gate = new FakeEarlyGate()
  const socket = new FakeStreamSocket()
  const listener = new RecordingListener(log)
  const endpoint = { address: '192.0.2.1', family: 4, port: 443, transport: 'tcp' } as const
  const options = { id: 1, socket, endpoint, handshake: CLEARTEXT, listener, clock, early: gate }
  return { log, clock, gate, socket, listener, options }
}
