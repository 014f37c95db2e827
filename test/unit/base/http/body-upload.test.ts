import { describe, expect, it } from 'vitest'
import { TransportError } from '../../../../src/base/errors.ts'
import { BodyUpload, type UploadOwner } from '../../../../src/base/http/body-upload.ts'
import { type Stream, streamWriter } from '../../../../src/http/multiplex/stream.ts'
import { RepeatingSource, ScriptedSource } from '../../../contract/scripted-source.ts'

/** A stream that takes `room` chunks and then says to wait. */
class FakeStream implements Stream {
  readonly id = 1
  readonly isDeliveringOwned = false
  readonly isSendOpen = true
  readonly hasReceivedEnd = false
  readonly queuedBytes = 0
  readonly stallMs = undefined
  room = Infinity
  endError: Error | undefined
  readonly log: string[] = []

  respond(): void {}

  write(chunk: Uint8Array, keep: (chunk: Buffer) => Buffer): boolean {
    expect(keep(chunk as Buffer)).toBe(chunk) // sources hand over what stays as it is
    this.log.push(`write ${chunk.length}`)
    return --this.room > 0
  }

  end(trailers: readonly string[]): void {
    if (this.endError !== undefined) throw this.endError
    this.log.push(`end ${trailers.join(' ')}`.trim())
  }

  reset(code: string): void {
    this.log.push(`reset ${code}`)
  }

  pause(): void {}

  resume(): void {}
}

function uploadOf(
  source: ScriptedSource,
  length?: number,
): { upload: BodyUpload; stream: FakeStream; log: string[] } {
  const stream = new FakeStream()
  const { log } = stream
  const owner: UploadOwner = {
    onUploadProgress: () => void log.push('progress'),
    onUploadEnd: () => void log.push('ended'),
    onUploadFailed: error => void log.push(`failed ${error.code}`),
  }
  return { upload: new BodyUpload(streamWriter(stream), source, length, owner), stream, log }
}

describe('an upload', () => {
  it('sends what its source has, and its trailers', () => {
    const { upload, log } = uploadOf(new RepeatingSource(Buffer.alloc(5), 2, { trailers: ['x-sum', '7'] }))
    upload.start()
    expect(log).toEqual(['write 5', 'progress', 'write 5', 'progress', 'end x-sum 7', 'ended'])
  })

  it('holds its source back when the stream has enough', () => {
    const source = new RepeatingSource(Buffer.alloc(5), 4)
    const { upload, stream } = uploadOf(source)
    stream.room = 2
    upload.start()
    expect([source.sent, upload.isBlocked]).toEqual([2, true])
    stream.room = 5
    upload.onWritable()
    expect([source.sent, source.resumes, upload.isBlocked]).toEqual([4, 1, false])
    expect(stream.log.at(-1)).toBe('ended')
    upload.onWritable()
    expect(source.resumes).toBe(1)
  })

  it.each([
    ['longer', 2, 9],
    ['shorter', 1, 9],
  ])('does not end when the body is %s than announced', (_title, chunks, length) => {
    const source = new RepeatingSource(Buffer.alloc(5), chunks)
    const { upload, log } = uploadOf(source, length)
    upload.start()
    expect(log.at(-1)).toBe('failed MM_BODY_LENGTH')
    expect(log.some(entry => entry.startsWith('end'))).toBe(false)
    expect(source.isCancelled).toBe(true)
  })

  it('does not end when its source fails', () => {
    const failure = new TransportError('MM_BODY_FAILED', 'gone')
    const { upload, log } = uploadOf(new RepeatingSource(Buffer.alloc(5), 1, { failure }))
    upload.start()
    expect(log).toEqual(['write 5', 'progress', 'failed MM_BODY_FAILED'])
  })

  it('fails when a trailer cannot be written', () => {
    const { upload, stream, log } = uploadOf(new RepeatingSource(Buffer.alloc(5), 1))
    stream.endError = new TransportError('MM_INVALID_ARGUMENT', 'no such trailer')
    upload.start()
    expect(log.at(-1)).toBe('failed MM_INVALID_ARGUMENT')
  })

  it.each(['attach', 'resume'] as const)('fails, and cancels its source, when that throws in %s()', call => {
    const source = new ScriptedSource()
    const { upload, stream, log } = uploadOf(source)
    stream.room = 1
    source.onAttach = sink => void sink.write(Buffer.alloc(5))
    source[call === 'attach' ? 'onAttach' : 'onResume'] = () => {
      throw new Error('a defect')
    }
    upload.start()
    upload.onWritable()
    expect(log.at(-1)).toBe('failed MM_BODY_FAILED')
    expect(source.isCancelled).toBe(true)
    source.sink?.fail(new TransportError('MM_BODY_FAILED', 'late'))
    expect(log.filter(entry => entry.startsWith('failed'))).toHaveLength(1)
  })

  it('is complete when its source throws behind its end', () => {
    const source = new ScriptedSource()
    const { upload, log } = uploadOf(source)
    source.onAttach = sink => {
      sink.end([])
      throw new Error('a defect')
    }
    upload.start()
    expect(log).toEqual(['end', 'ended'])
    expect(source.isCancelled).toBe(false)
  })

  it('is over for its owner when its source throws in cancel()', () => {
    const source = new ScriptedSource(4)
    source.onCancel = () => {
      throw new Error('a defect')
    }
    const { upload, log } = uploadOf(source, 4)
    upload.start()
    source.sink?.write(Buffer.alloc(5))
    expect(log).toEqual(['failed MM_BODY_LENGTH'])
    const other = uploadOf(source)
    other.upload.start()
    other.upload.cancel()
    expect(other.log).toEqual([])
  })

  it('takes nothing after it was cancelled, or empty pieces', () => {
    const source = new ScriptedSource()
    const { upload, log } = uploadOf(source)
    upload.start()
    expect(source.sink?.write(Buffer.alloc(0))).toBe(true)
    upload.cancel()
    upload.cancel()
    expect(source.isCancelled).toBe(true)
    expect(source.sink?.write(Buffer.alloc(5))).toBe(false)
    source.sink?.end([])
    source.sink?.fail(new TransportError('MM_BODY_FAILED', 'late'))
    upload.onWritable()
    expect(log).toEqual([])
  })
})
