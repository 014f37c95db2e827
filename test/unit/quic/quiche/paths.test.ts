import { describe, expect, it } from 'vitest'
import type { NativeConnection } from '../../../../src/quic/quiche/binding.ts'
import { Paths } from '../../../../src/quic/quiche/paths.ts'

const HERE = { host: '192.0.2.1', port: 5000 }
const THERE = { host: '192.0.2.2', port: 443 }

describe('the connection ids that a peer is given', () => {
  it('are bounded, though it retires each as soon as it has it', () => {
    let given = 0
    const native = {
      isEstablished: () => true,
      sourceCidsLeft: () => 1,
      retiredScidNext: () => null,
      pathEventNext: () => null,
      newSourceCid: () => ++given,
    } as unknown as NativeConnection // what a poll calls
    const paths = new Paths({ native, role: 'client', local: HERE, remote: THERE, allowsSecondPath: true })
    paths.poll()
    paths.poll()
    expect(given).toBe(64)
    expect(paths.idsLeft()).toBe(0)
  })

  it('do not exist where there is one path', () => {
    const native = { isEstablished: () => true, sourceCidsLeft: () => 7 } as unknown as NativeConnection // the same
    const paths = new Paths({ native, role: 'server', local: HERE, remote: THERE, allowsSecondPath: false })
    expect(paths.idsLeft()).toBe(0)
  })
})

/**
 * Paths by their ports. quiche takes one whose validation has failed as well, and then has none that it sends
 * from.
 */
class ScriptedPaths {
  pathStats = (): readonly { active: boolean; rtt: number }[] => [{ active: true, rtt: 20 }]
  readonly calls: string[] = []
  readonly failed = new Set<number>()
  inUse = HERE.port

  stats = () => ({ peerDisableActiveMigration: false })
  isEstablished = (): boolean => true

  migrate({ port }: typeof HERE): void {
    this.calls.push(`migrate ${port}`)
    this.inUse = port
  }

  probePath({ port }: typeof HERE): void {
    this.calls.push(`probe ${port}`)
  }

  sendAckEliciting(): void {
    if (this.failed.has(this.inUse)) throw new Error('InvalidState')
  }
}

describe('a path whose validation has failed', () => {
  const elsewhere = { host: '192.0.2.1', port: 5001 }
  const scripted = (): { native: ScriptedPaths; paths: Paths } => {
    const native = new ScriptedPaths()
    native.failed.add(elsewhere.port)
    const options = { role: 'client', local: HERE, remote: THERE, allowsSecondPath: true } as const
    return { native, paths: new Paths({ ...options, native: native as unknown as NativeConnection }) } // as: what a move calls
  }

  it('is not migrated to, and the one before stays in use', () => {
    const { native, paths } = scripted()
    expect(paths.migrate(elsewhere, THERE, 0)).toBe(false)
    expect(native.inUse).toBe(HERE.port)
  })

  it('is challenged when it is bounced, since leaving it declares nothing lost', () => {
    const { native, paths } = scripted()
    expect(paths.bounce(elsewhere)).toBe(true)
    expect(native.calls).toEqual(['migrate 5001', 'migrate 5000', 'probe 5001'])
    native.failed.clear()
    native.calls.length = 0
    expect(paths.bounce(elsewhere)).toBe(true)
    expect(native.calls).toEqual(['migrate 5001', 'migrate 5000'])
  })

  it('makes no ping a failure of ours', () => {
    const { native, paths } = scripted()
    native.inUse = elsewhere.port
    expect(paths.ping()).toBe(false)
  })

  it('belongs to a client by datagrams with one of its ids, which a stateless reset lacks', () => {
    const connectionId = Buffer.alloc(16, 7)
    const native = { newSourceCid: () => 1 } as unknown as NativeConnection // all that is called
    const options = { native, role: 'client', local: HERE, remote: THERE, allowsSecondPath: true } as const
    const paths = new Paths({ ...options, connectionId })
    const short = (id: Buffer): Buffer => Buffer.concat([Buffer.of(0x40), id, Buffer.alloc(20)])
    const next = Buffer.alloc(16, 9)
    const heard = (): boolean[] => [connectionId, next].map(id => paths.isAddressed(short(id)))
    expect([heard(), paths.isAddressed(Buffer.of(0x40, 7))]).toEqual([[true, false], false])
    expect(paths.isAddressed(Buffer.of(0xc0))).toBe(true) // a long header: of the handshake
    paths.issueId(next, Buffer.alloc(16))
    expect(heard()).toEqual([true, true])
    expect(new Paths(options).isAddressed(short(next))).toBe(true) // a server's endpoint has looked before
  })
})
