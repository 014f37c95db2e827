/** Events of Happy Eyeballs v3: what each attempt to connect came to (draft-kuehlewind-happy-qlog-00). */
const HAPPY_SCHEMA = 'urn:ietf:params:qlog:events:hev3-00'
/**
 * Ours, for what that draft has no words for. A private schema may not use the URNs of qlog, and a name of
 * the web needs its owner.
 */
const OWN_SCHEMA = 'urn:uuid:4a0555d1-feaa-4c63-8d69-6ddc38521bae'
const LOGLEVEL_SCHEMA = 'urn:ietf:params:qlog:events:loglevel'

/**
 * The first record of a file (draft-ietf-quic-qlog-main-schema, section 5). Times count from its writing on a
 * monotonic clock, for which the draft asks for an unknown epoch; `wallClockTime` (RFC 3339) says roughly
 * when that was.
 */
export function traceHeader(wallClockTime: string): object {
  return {
    // These two first: tools look for them in the first 256 bytes.
    file_schema: 'urn:ietf:params:qlog:file:sequential',
    serialization_format: 'application/qlog+json-seq',
    title: 'middlemile: which protocol, and why',
    trace: {
      vantage_point: { name: 'middlemile', type: 'client' },
      common_fields: {
        time_format: 'relative_to_epoch',
        reference_time: { clock_type: 'monotonic', epoch: 'unknown', wall_clock_time: wallClockTime },
      },
      event_schemas: [HAPPY_SCHEMA, OWN_SCHEMA, LOGLEVEL_SCHEMA],
    },
  }
}
