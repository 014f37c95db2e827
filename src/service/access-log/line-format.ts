import type { AccessRecord } from './access-record.ts'
import { escapeJson, escapeText } from './escape-text.ts'

/** A request as one line, without its end. */
export type LineFormat = (record: AccessRecord) => string

/**
 * With its end a line is PIPE_BUF of Linux at the most (pipe(7)), so that those of processes that share a
 * pipe do not mix.
 */
export const MAX_LINE_LENGTH = 4_095
/** What a client may put into a line, by value: together below MAX_LINE_LENGTH. */
const MAX_TARGET_LENGTH = 1_024
const MAX_FIELD_LENGTH = 512
const MAX_NAME_LENGTH = 256
const MAX_METHOD_LENGTH = 64

type Value = string | number | boolean | undefined

/** What a template may name. Not all of these are in every format. */
const VARIABLES: Readonly<Record<string, (record: AccessRecord) => Value>> = {
  time: ({ timeMs }) => new Date(timeMs).toISOString(),
  client: ({ client }) => client,
  clientPort: ({ clientPort }) => clientPort,
  method: ({ method }) => method,
  scheme: ({ scheme }) => scheme,
  host: ({ host }) => host,
  target: ({ target }) => target,
  path: ({ target }) => target.split('?', 1)[0],
  protocol: ({ protocol }) => protocol,
  status: ({ status }) => status,
  requestBytes: ({ requestBytes }) => requestBytes,
  responseBytes: ({ responseBytes }) => responseBytes,
  agent: record => record.header('user-agent'),
  referer: record => record.header('referer'),
  requestId: ({ requestId }) => requestId,
  route: ({ route }) => route,
  origin: ({ origin }) => origin,
  originProtocol: ({ originProtocol }) => originProtocol,
  lane: ({ lane }) => lane,
  connection: ({ connection }) => connection,
  reused: ({ reused }) => reused,
  earlyData: ({ earlyData }) => earlyData,
  attempts: ({ attempts }) => attempts,
  connects: ({ connects }) => connects,
  queueMs: ({ queueMs }) => rounded(queueMs),
  ttfbMs: ({ ttfbMs }) => rounded(ttfbMs),
  totalMs: ({ totalMs }) => rounded(totalMs),
  error: ({ error }) => error,
  session: ({ session }) => session,
  sessionProtocol: ({ sessionProtocol }) => sessionProtocol,
  closeCode: ({ closeCode }) => closeCode,
  streams: ({ streams }) => streams,
  datagrams: ({ datagrams }) => datagrams,
  droppedDatagrams: ({ droppedDatagrams }) => droppedDatagrams,
}

const NAMED_FORMATS = { json: jsonLine, common: commonLine, combined: combinedLine } as const

/**
 * The format that a configuration names: `json`, `common`, `combined`, or a template with variables. A
 * string: what is wrong with it.
 */
export function lineFormat(format: string): LineFormat | string {
  if (Object.hasOwn(NAMED_FORMATS, format)) return NAMED_FORMATS[format as keyof typeof NAMED_FORMATS] // its
  if (!format.includes('$'))
    return `must be ${Object.keys(NAMED_FORMATS).join(', ')} or a template such as "$client $status"`
  return templateFormat(format)
}

/** `$$`, `$name`, `${name}`, `${header.name}`, or a dollar that begins none of them. */
const VARIABLE = /\$(?:(\$)|([A-Za-z]+)|\{([^}]*)\})?/g
const HEADER = /^header\.([!#$%&'*+.^_`|~0-9A-Za-z-]+)$/
const MAX_TEMPLATE_LENGTH = 1_024

function templateFormat(template: string): LineFormat | string {
  if (!/^[\x20-\x7e\t]*$/.test(template) || template.length > MAX_TEMPLATE_LENGTH)
    return `must be one line of printable ASCII, ${MAX_TEMPLATE_LENGTH} characters at the most`
  const pieces: (string | ((record: AccessRecord) => Value))[] = []
  let end = 0
  for (const found of template.matchAll(VARIABLE)) {
    const [whole, dollar, bare, braced] = found
    pieces.push(template.slice(end, found.index))
    end = found.index + whole.length
    const name = bare ?? braced ?? ''
    const header = HEADER.exec(name)?.[1]?.toLowerCase()
    if (dollar !== undefined) pieces.push('$')
    else if (header !== undefined) pieces.push(record => record.header(header))
    else if (Object.hasOwn(VARIABLES, name)) pieces.push(VARIABLES[name] ?? '')
    else return `${whole} is no variable; there are ${Object.keys(VARIABLES).join(', ')}, header.NAME`
  }
  pieces.push(template.slice(end))
  return record => {
    let line = ''
    for (const piece of pieces) line += typeof piece === 'string' ? piece : textValue(piece(record))
    return line.slice(0, MAX_LINE_LENGTH)
  }
}

function textValue(value: Value, maxLength = MAX_TARGET_LENGTH): string {
  if (value === undefined || value === '') return '-'
  return typeof value === 'string' ? escapeText(value, maxLength) : String(value)
}

/** Who asked for what, when, and what became of it, as Apache and nginx write it. */
function commonLine(record: AccessRecord): string {
  const { client, timeMs, method, target, protocol, status, responseBytes } = record
  const what = `${escapeText(method, MAX_METHOD_LENGTH)} ${escapeText(target, MAX_TARGET_LENGTH)} ${protocol}`
  return `${client} - - [${commonTime(timeMs)}] "${what}" ${status} ${responseBytes}`
}

function combinedLine(record: AccessRecord): string {
  const referer = textValue(record.header('referer'), MAX_FIELD_LENGTH)
  const agent = textValue(record.header('user-agent'), MAX_FIELD_LENGTH)
  return `${commonLine(record)} "${referer}" "${agent}"`
}

const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec']

/** `25/Nov/2026:08:00:00 +0000` */
function commonTime(timeMs: number): string {
  const iso = new Date(timeMs).toISOString()
  const month = MONTHS[Number(iso.slice(5, 7)) - 1]
  return `${iso.slice(8, 10)}/${month}/${iso.slice(0, 4)}:${iso.slice(11, 19)} +0000`
}

/** What stands in a line of JSON, with the longest that each may be. What is undefined is left out. */
const JSON_MEMBERS: readonly (readonly [name: string, maxLength: number])[] = [
  ['time', MAX_NAME_LENGTH],
  ['client', MAX_NAME_LENGTH],
  ['clientPort', 0],
  ['method', MAX_METHOD_LENGTH],
  ['scheme', MAX_NAME_LENGTH],
  ['host', MAX_NAME_LENGTH],
  ['target', MAX_TARGET_LENGTH],
  ['protocol', MAX_NAME_LENGTH],
  ['status', 0],
  ['requestBytes', 0],
  ['responseBytes', 0],
  ['agent', MAX_FIELD_LENGTH],
  ['referer', MAX_FIELD_LENGTH],
  ['requestId', MAX_NAME_LENGTH],
  ['route', MAX_NAME_LENGTH],
  ['origin', MAX_NAME_LENGTH],
  ['originProtocol', MAX_NAME_LENGTH],
  ['lane', MAX_NAME_LENGTH],
  ['connection', 0],
  ['reused', 0],
  ['earlyData', 0],
  ['attempts', 0],
  ['connects', 0],
  ['queueMs', 0],
  ['ttfbMs', 0],
  ['totalMs', 0],
  ['error', MAX_NAME_LENGTH],
  ['session', MAX_NAME_LENGTH],
  ['sessionProtocol', MAX_METHOD_LENGTH],
  ['closeCode', 0],
  ['streams', 0],
  ['datagrams', 0],
  ['droppedDatagrams', 0],
]

function jsonLine(record: AccessRecord): string {
  let line = ''
  for (const [name, maxLength] of JSON_MEMBERS) {
    const value = VARIABLES[name]?.(record)
    if (value === undefined) continue
    line += line === '' ? '{"' : ',"'
    line += `${name}":`
    line += typeof value === 'string' ? `"${escapeJson(value, maxLength)}"` : String(value)
  }
  return `${line}}`
}

/** To a thousandth. */
function rounded(ms: number | undefined): number | undefined {
  return ms === undefined ? undefined : Math.round(ms * 1_000) / 1_000
}
