import { describe, expect, it } from 'vitest'
import { type BindingSource, loadBinding } from '../../../../src/quic/quiche/binding.ts'
import { brokenEnd, connectionEnd, nativeError } from '../../../../src/quic/quiche/connection-end.ts'
import { firstStream, isOpenedBy, isUnidirectional } from '../../../../src/quic/quiche/local-streams.ts'

describe('nativeError', () => {
  it('reads names and numbers', () => {
    expect(nativeError(new Error('StreamReset(268)'))).toEqual({ name: 'StreamReset', code: 268 })
    expect(nativeError(new Error('Done'))).toEqual({ name: 'Done', code: 0 })
    expect(nativeError(new Error('what (ever)'))).toEqual({ name: 'what (ever)', code: 0 })
    expect(nativeError('text!')).toEqual({ name: 'text!', code: 0 })
  })

  it('reads every code of QUIC, as a number that a frame can carry', () => {
    const streamReset = (code: bigint) => nativeError(new Error(`StreamReset(${code})`))
    expect(streamReset(2n ** 61n)).toEqual({ name: 'StreamReset', code: 2 ** 61 })
    expect(streamReset(10n ** 16n)).toEqual({ name: 'StreamReset', code: 1e16 })
    const last = streamReset(2n ** 62n - 1n)
    expect(last.name).toBe('StreamReset')
    expect(BigInt(last.code)).toBe(2n ** 62n - 512n)
  })
})

describe('the kind of a stream id', () => {
  it('follows RFC 9000 2.1', () => {
    expect([firstStream('client', 'bidirectional'), firstStream('server', 'bidirectional')]).toEqual([0, 1])
    expect([firstStream('client', 'unidirectional'), firstStream('server', 'unidirectional')]).toEqual([2, 3])
    expect(isOpenedBy('server', 7)).toBe(true)
    expect(isOpenedBy('client', 7)).toBe(false)
    expect([4, 5, 6, 7].map(isUnidirectional)).toEqual([false, false, true, true])
  })
})

describe('connectionEnd', () => {
  const error = (errorCode: number, reason: string) => ({
    isApp: true,
    errorCode,
    reason: Buffer.from(reason),
  })
  const native = { peerError: () => null, localError: () => null, isTimedOut: () => false }

  it('names the cause', () => {
    expect(
      connectionEnd({ ...native, peerError: () => error(0x101, 'bye'), localError: () => error(1, '') }),
    ).toEqual({
      cause: 'peer',
      isApplication: true,
      code: 0x101,
      reason: 'bye',
    })
    expect(connectionEnd({ ...native, localError: () => error(1, '') }).cause).toBe('local')
    expect(connectionEnd({ ...native, isTimedOut: () => true }).cause).toBe('idle')
    expect(connectionEnd(native).cause).toBe('reset')
    expect(brokenEnd('x', 'unusable').cause).toBe('unusable')
  })

  it('makes the words of a peer printable and short', () => {
    const { reason } = connectionEnd({ ...native, peerError: () => error(0, `\x1b[31m${'a'.repeat(1000)}`) })
    expect(reason).toMatch(/^\?\[31ma+…$/)
    expect(reason.length).toBeLessThan(210)
  })
})

describe('loadBinding', () => {
  const notFound = Object.assign(new Error('Cannot find module'), { code: 'MODULE_NOT_FOUND' })
  const source = (modules: Record<string, unknown>): BindingSource => ({
    require: id => {
      const found = modules[id]
      if (found === undefined) throw notFound
      if (found instanceof Error) throw found
      return found
    },
    from: () => source(modules),
  })
  const manifest = { '@matrixai/quic/package.json': { version: '2.0.9' } }
  const binding = { Config: {}, Connection: {}, Header: {}, negotiateVersion: {}, retry: {} }

  it('finds the build of the platform', () => {
    const modules = {
      ...manifest,
      '@matrixai/quic-linux-x64': binding,
      '@matrixai/quic-darwin-universal': binding,
    }
    expect(loadBinding(source(modules), 'linux-x64')).toEqual({ binding, version: '2.0.9' })
    expect(loadBinding(source(modules), 'darwin-arm64')).toEqual({ binding, version: '2.0.9' })
  })

  it.each([
    ['the package', {}, 'linux-x64', '@matrixai/quic is not installed'],
    ['a build', manifest, 'linux-arm64', '@matrixai/quic has no build for linux-arm64'],
    ['its install', manifest, 'linux-x64', '@matrixai/quic-linux-x64 is not installed'],
    [
      'the version',
      { '@matrixai/quic/package.json': { version: '1.2.6' } },
      'linux-x64',
      '@matrixai/quic 1.2.6 is not the version that this build was made for (2.0.9)',
    ],
    [
      'the shape',
      { ...manifest, '@matrixai/quic-linux-x64': {} },
      'linux-x64',
      '@matrixai/quic-linux-x64 is not the binding of version 2.0.9',
    ],
    [
      'a library',
      { ...manifest, '@matrixai/quic-linux-x64': new Error('libc.so: no\nmore lines') },
      'linux-x64',
      '@matrixai/quic-linux-x64 cannot be loaded: libc.so: no',
    ],
  ])('says what is missing: %s', (_, modules, platform, unavailable) => {
    expect(loadBinding(source(modules), platform)).toEqual({ unavailable })
  })
})
