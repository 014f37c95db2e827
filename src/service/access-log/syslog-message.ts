/** Who is written to: a server that takes RFC 5424. */
export interface SyslogServer {
  /** Over UDP each line is a datagram (RFC 5426); over TCP it has its length in front (RFC 6587 3.4.1). */
  readonly transport: 'udp' | 'tcp'
  readonly host: string
  readonly port: number
}

/** Those of RFC 5424 6.2.1 that are for programs like this one. */
export const SYSLOG_FACILITIES = [
  'user',
  'daemon',
  'local0',
  'local1',
  'local2',
  'local3',
  'local4',
  'local5',
  'local6',
  'local7',
] as const

export type SyslogFacility = (typeof SYSLOG_FACILITIES)[number]

const FACILITY_NUMBERS: Readonly<Record<SyslogFacility, number>> = {
  user: 1,
  daemon: 3,
  local0: 16,
  local1: 17,
  local2: 18,
  local3: 19,
  local4: 20,
  local5: 21,
  local6: 22,
  local7: 23,
}

/** Informational. */
const SEVERITY = 6
const DEFAULT_PORTS = { udp: 514, tcp: 601 } as const // RFC 5426 3.3, RFC 3195 9.2
const ADDRESS = /^syslog:(udp|tcp):\/\/(?:\[([0-9A-Fa-f:.]+)\]|([A-Za-z0-9._-]{1,255}))(?::(\d{1,5}))?\/?$/

/** `syslog:udp://logs.internal:514`. Undefined: it is none. */
export function parseSyslogServer(text: string): SyslogServer | undefined {
  const [, scheme, bracketed, plain, port] = ADDRESS.exec(text) ?? []
  const host = bracketed ?? plain
  if (host === undefined || (scheme !== 'udp' && scheme !== 'tcp')) return undefined
  const number = port === undefined ? DEFAULT_PORTS[scheme] : Number(port)
  return number < 1 || number > 65_535 ? undefined : { transport: scheme, host, port: number }
}

/** What stands in front of each message, but for its time. */
export interface SyslogOrigin {
  readonly facility: SyslogFacility
  readonly hostname: string
  readonly processId: number
}

const MAX_HOSTNAME_LENGTH = 255

/** Writes messages of RFC 5424 6, without structured data. `timeMs` is since 1970. */
export function syslogMessages({
  facility,
  hostname,
  processId,
}: SyslogOrigin): (line: string, timeMs: number) => string {
  const priority = FACILITY_NUMBERS[facility] * 8 + SEVERITY
  const name = hostname.replace(/[^!-~]/g, '').slice(0, MAX_HOSTNAME_LENGTH) || '-'
  return (line, timeMs) =>
    `<${priority}>1 ${new Date(timeMs).toISOString()} ${name} middlemile ${processId} access - ${line}`
}

const LF = 0x0a

/** The messages of a block of lines, without their ends; an escaped line has none within. */
export function splitMessages(block: Buffer): Buffer[] {
  const messages: Buffer[] = []
  for (let from = 0; from < block.length; ) {
    const end = block.indexOf(LF, from)
    const to = end === -1 ? block.length : end
    if (to > from) messages.push(block.subarray(from, to))
    from = to + 1
  }
  return messages
}

/** The same as they go over TCP. */
export function countedMessages(block: Buffer): Buffer {
  return Buffer.concat(splitMessages(block).flatMap(message => [Buffer.from(`${message.length} `), message]))
}
