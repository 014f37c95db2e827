import { describe, expect, it } from 'vitest'
import { SmallPieces } from '../../../src/base/small-pieces.ts'

function collect(): { pieces: SmallPieces; chunks: Buffer[] } {
  const chunks: Buffer[] = []
  return { pieces: new SmallPieces(chunk => chunks.push(chunk)), chunks }
}

const text = (chunks: readonly Buffer[]): string[] => chunks.map(String)

describe('SmallPieces', () => {
  it('joins small pieces until the read is over, and large ones behind them', () => {
    const { pieces, chunks } = collect()
    const read = Buffer.from('a-b-c-large')
    pieces.add(read, 0, 1, true)
    pieces.add(read, 2, 3, true)
    pieces.add(read, 4, 5, true)
    pieces.add(read, 6, 11, false)
    expect(chunks).toEqual([])
    pieces.flush()
    pieces.flush()
    expect(text(chunks)).toEqual(['abclarge'])
  })

  it('passes a large piece on at once, without a copy, when nothing waits before it', () => {
    const { pieces, chunks } = collect()
    const read = Buffer.from('large')
    pieces.add(read, 0, 5, false)
    expect(chunks[0]?.buffer).toBe(read.buffer)
    expect(text(chunks)).toEqual(['large'])
  })

  it('copies nothing of a piece that stays alone', () => {
    const { pieces, chunks } = collect()
    const read = Buffer.alloc(100)
    pieces.add(read, 10, 20, true)
    pieces.flush()
    expect(chunks[0]?.buffer).toBe(read.buffer)
    expect(chunks[0]?.byteOffset).toBe(read.byteOffset + 10)
  })

  it('discards what nobody wants, even from within a delivery', () => {
    const { pieces, chunks } = collect()
    pieces.add(Buffer.from('a'), 0, 1, true)
    pieces.clear()
    pieces.flush()
    expect(chunks).toEqual([])
    const stopped: number[] = []
    const stopping = new SmallPieces(chunk => {
      stopped.push(chunk.length)
      stopping.clear()
    })
    const read = Buffer.alloc(900)
    for (let i = 0; i < 100; i++) stopping.add(read, 0, 900, true)
    stopping.flush()
    expect(stopped).toHaveLength(1)
  })

  it('may be given more from within a delivery', () => {
    const chunks: string[] = []
    const pieces = new SmallPieces(chunk => {
      chunks.push(String(chunk))
      if (chunks.length === 1) pieces.add(Buffer.from('again'), 0, 5, true)
    })
    pieces.add(Buffer.from('ab'), 0, 1, true)
    pieces.add(Buffer.from('ab'), 1, 2, true)
    pieces.flush()
    pieces.flush()
    expect(chunks).toEqual(['ab', 'again'])
  })
})
