import { describe, expect, it } from 'vitest'
import { parseTcpInfo } from '../../../../src/connect/native/tcp-info.ts'
import { fc } from '../../../support/property.ts'

/** Linux 4.1, which has no more than the first fields, and Linux 6. */
const SHORTEST_BYTES = 104
const FULL_BYTES = 280

describe('parseTcpInfo', () => {
  it('reads each field where linux/tcp.h has it', () => {
    const bytes = Buffer.alloc(FULL_BYTES)
    bytes.writeUInt8(2, 0) // tcpi_state
    bytes.writeUInt8(3, 3) // tcpi_probes
    bytes.writeUInt8(32, 5) // tcpi_options: TCPI_OPT_SYN_DATA
    bytes.writeUInt8(0b101, 7) // tcpi_delivery_rate_app_limited : 1, tcpi_fastopen_client_fail : 2
    bytes.writeUInt32LE(1_448, 16) // tcpi_snd_mss
    bytes.writeUInt32LE(2, 24) // tcpi_unacked
    bytes.writeUInt32LE(70, 52) // tcpi_last_data_recv
    bytes.writeUInt32LE(64, 56) // tcpi_last_ack_recv
    bytes.writeUInt32LE(41_346, 68) // tcpi_rtt, in microseconds
    bytes.writeUInt32LE(10, 80) // tcpi_snd_cwnd
    bytes.writeUInt32LE(3, 100) // tcpi_total_retrans
    bytes.writeBigUInt64LE(5_000_000_000n, 128) // tcpi_bytes_received
    bytes.writeUInt32LE(8, 140) // tcpi_segs_in
    bytes.writeUInt32LE(39_000, 148) // tcpi_min_rtt
    bytes.writeUInt32LE(9, 156) // tcpi_data_segs_out
    bytes.writeBigUInt64LE(11n, 160) // tcpi_delivery_rate
    bytes.writeBigUInt64LE(12n, 200) // tcpi_bytes_sent
    bytes.writeBigUInt64LE(13n, 208) // tcpi_bytes_retrans
    bytes.writeUInt32LE(14, 216) // tcpi_dsack_dups
    bytes.writeUInt32LE(15, 224) // tcpi_rcv_ooopack
    expect(parseTcpInfo(bytes)).toEqual({
      state: 2,
      isSynDataAcked: true,
      fastOpenFailure: 2,
      rttMs: 41.346,
      minRttMs: 39,
      congestionWindowSegments: 10,
      segmentBytes: 1_448,
      sentDataSegments: 9,
      receivedSegments: 8,
      retransmittedSegments: 3,
      duplicateSegments: 14,
      sentBytes: 12,
      retransmittedBytes: 13,
      receivedBytes: 5_000_000_000,
      deliveryBytesPerSecond: 11,
      outOfOrderSegments: 15,
      unackedSegments: 2,
      unansweredProbes: 3,
      sinceHeardMs: 64,
    })
  })

  it('counts received data as proof of liveness, whatever it acknowledges', () => {
    const bytes = Buffer.alloc(FULL_BYTES)
    bytes.writeUInt32LE(4, 52) // tcpi_last_data_recv
    bytes.writeUInt32LE(9_000, 56) // tcpi_last_ack_recv
    expect(parseTcpInfo(bytes)?.sinceHeardMs).toBe(4)
  })

  it('reads the two bits of why Fast Open failed, and no others of their byte', () => {
    for (let byte = 0; byte < 256; byte++) {
      const bytes = Buffer.alloc(FULL_BYTES)
      bytes.writeUInt8(byte, 7)
      expect(parseTcpInfo(bytes)?.fastOpenFailure).toBe((byte >> 1) & 3)
    }
  })

  it('reads nothing from what is too short for any kernel', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: SHORTEST_BYTES - 1 }), bytes => {
        expect(parseTcpInfo(Buffer.from(bytes))).toBeUndefined()
      }),
    )
  })

  it('reads any bytes from there on: whole fields as they are, the others as 0', () => {
    const sizes = fc.integer({ min: SHORTEST_BYTES, max: 512 })
    const content = fc.uint8Array({ minLength: 512, maxLength: 512 })
    fc.assert(
      fc.property(sizes, content, (size, all) => {
        const short = parseTcpInfo(Buffer.from(all.subarray(0, size)))
        const full = parseTcpInfo(Buffer.from(all))
        if (short === undefined || full === undefined) throw new Error('there are bytes enough')
        for (const [name, value] of Object.entries(short)) {
          if (typeof value === 'boolean') continue
          expect(Number.isFinite(value) && value >= 0, name).toBe(true)
          expect([0, full[name as keyof typeof full]], name).toContain(value)
        }
        if (size >= 228) expect(short).toEqual(full)
      }),
    )
  })
})
