/**
 * The records of a JSON text sequence (RFC 7464), read strictly: each begins with RS, ends with LF and is
 * whole.
 */
export function readJsonSequence(text: string): unknown[] {
  if (text === '') return []
  const [before, ...records] = text.split('\u001e')
  if (before !== '') throw new Error('a sequence begins with a record separator')
  return records.map(record => {
    if (!record.endsWith('\n')) throw new Error(`a record does not end with a line feed: ${record}`)
    return JSON.parse(record) as unknown
  })
}

/** What a test looks at in a trace. */
export interface TraceRecord {
  time: number
  name: string
  group_id?: string
  data: Record<string, unknown>
}

/** The header of a trace and its events. */
export function readTrace(text: string): { header: Record<string, unknown>; events: TraceRecord[] } {
  const [header, ...events] = readJsonSequence(text)
  return { header: header as Record<string, unknown>, events: events as TraceRecord[] }
}
