import { expect } from 'vitest'
import { QpackEncoder } from '../../../../src/http/qpack/qpack-encoder.ts'
import { decode, encode, feed, newDecoder, tableOf } from './sections.ts'

interface PairOptions {
  ours?: number
  peers?: number
  mayBlock?: number
  letsBlock?: number
}

/** An encoder with the decoder of its peer; what they say to each other arrives when `exchange` is called. */
export function pair({ ours = 4096, peers = 4096, mayBlock = 0, letsBlock = 100 }: PairOptions = {}) {
  const encoder = new QpackEncoder({ maxTableBytes: ours, maxBlockedStreams: mayBlock })
  const decoder = newDecoder({ maxTableBytes: peers, maxBlockedStreams: letsBlock, maxListBytes: 1_000_000 })
  encoder.setPeerLimits(peers, letsBlock)
  let nextStream = 0
  let late: Buffer[] = []
  const hold = (): void => {
    const instructions = encoder.takeEncoderStream()
    if (instructions !== undefined) late.push(instructions)
  }
  /** Lets the insertions arrive. */
  const insertions = (): readonly number[] => {
    hold()
    const held = late
    late = []
    return feed(decoder, ...held)
  }
  /** Lets the acknowledgments arrive. */
  const acknowledgments = (): void => {
    const bytes = decoder.takeDecoderStream()
    if (bytes !== undefined) encoder.receiveDecoderStream(bytes, 0, bytes.length)
  }
  /** Encodes a list for a new stream. */
  const put = (fields: readonly string[], streamId = (nextStream += 4)): Buffer => {
    const bytes = encode(encoder, streamId, fields)
    hold()
    return bytes
  }
  /**
   * Sends a list, its insertions first, and lets the answer arrive. Checks that both tables agree. Returns
   * the section.
   */
  const send = (fields: readonly string[]): Buffer => {
    const streamId = (nextStream += 4)
    const bytes = put(fields, streamId)
    insertions()
    expect(decode(decoder, bytes, streamId)).toEqual(fields)
    acknowledgments()
    expect(encoder.keptStrings().slice(0, 2 * encoder.tableEntries)).toEqual(tableOf(decoder))
    return bytes
  }
  return { encoder, decoder, send, put, insertions, acknowledgments, table: () => tableOf(decoder) }
}
