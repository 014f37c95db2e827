import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { Http3StreamFault } from '../../../../../src/http/http3/frames/error-codes.ts'
import { SectionReader } from '../../../../../src/http/http3/frames/section-codec.ts'

/** The record behind the 12 bytes that name its stream and length. */
function sectionOf(name: string): Buffer {
  return readFileSync(new URL(`../../../../vectors/qpack/errors/${name}`, import.meta.url)).subarray(12)
}

/**
 * Ten of the twelve are errors of QPACK (test/unit/http/qpack/qpack-decoder-vectors.test.ts). These two are from
 * drafts in which index 0 and index 62 of the static table were none; RFC 9204 has fields there, so that they
 * decode. As the head of a message they are refused all the same.
 */
describe.each(['err9', 'err10'])('the section of the test vector %s', name => {
  it.each(['request', 'response'] as const)('is refused as the head of a %s', kind => {
    const reader = new SectionReader({
      maxTableBytes: 4096,
      maxBlockedStreams: 16,
      maxHeaderBytes: 65_536,
      maxHeaderCount: 100,
      allowsExtendedConnect: true,
    })
    const section = sectionOf(name)
    const block = reader.decoder.decode(0, section, 0, section.length)
    if (block === 'blocked' || block === 'too-large') throw new Error(block)
    let fault: unknown
    try {
      reader.messages[kind](block)
    } catch (error) {
      fault = error
    }
    expect(fault).toBeInstanceOf(Http3StreamFault)
    expect((fault as Http3StreamFault).code).toBe('H3_MESSAGE_ERROR')
  })
})
