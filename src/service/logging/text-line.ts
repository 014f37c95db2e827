/** What a line needs of the fields that pino wrote. */
interface LogLine {
  time: string
  level: string
  msg: string
  hint?: string
}

/**
 * A JSON log line as text: `2026-03-01T12:00:00.000Z info shop http/1.1#7 192.0.2.1:443: pool: connection
 * added`.
 */
export function textLine(json: string): string {
  const { time, level, msg, hint }: LogLine = JSON.parse(json)
  const advice = hint === undefined ? '' : ` (${hint})`
  return `${time} ${level.padEnd(5)} ${oneLine(msg + advice)}\n`
}

/** Messages of peers may be part of a line, and must not begin another. */
function oneLine(text: string): string {
  return text.replace(/\p{Cc}+/gu, ' ')
}
