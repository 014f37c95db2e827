/**
 * Why Redis did not do what it was asked, in our own words: what a peer writes may hold the password that we
 * sent, and goes into no log.
 */
export function redisFault(error: unknown): string {
  if (!(error instanceof Error)) return 'it failed'
  const { name, message, constructor } = error
  const [word = ''] = message.split(' ', 1)
  const reply = REPLIES[word]
  if (reply !== undefined) return reply
  if (/^-?[A-Z]{2,16}$/.test(word) && /(?:Simple|Blob)Error|ErrorReply/.test(constructor.name))
    return `it answers ${word}`
  const code = codeOf(error)
  if (code !== undefined) return code
  return CLIENT_ERRORS[constructor.name] ?? CLIENT_ERRORS[name] ?? 'it answers in another way than Redis does'
}

/** The connection has ended. Else it was refused, or not understood, what was asked. */
export function isEnd(error: unknown): boolean {
  return error instanceof Error && (codeOf(error) !== undefined || redisFault(error) === CLOSED)
}

const CLOSED = 'it closed the connection'

const REPLIES: Readonly<Record<string, string>> = {
  WRONGPASS: 'the user or the password is wrong (WRONGPASS)',
  NOAUTH: 'it asks for a password (NOAUTH)',
  NOPERM:
    'the user may not do what is needed: EVALSHA, EVAL, and HGETALL, HSET, HDEL, PEXPIRE, TIME in it (NOPERM)',
  LOADING: 'it is loading its data (LOADING)',
  READONLY: 'it is a replica (READONLY)',
  MISCONF: 'it cannot save its data, and refuses to write (MISCONF)',
  OOM: 'its memory is full (OOM)',
  BUSY: 'a script keeps it busy (BUSY)',
  MOVED: 'it is a node of a cluster, which has the key elsewhere (MOVED)',
  WRONGTYPE: 'its keys are of others: state.redis.prefix tells them apart (WRONGTYPE)',
}

/** The package's errors have no codes, and some are thrown as they are. */
const CLIENT_ERRORS: Readonly<Record<string, string>> = {
  RedisTimeout: 'it does not answer in time',
  ConnectionTimeoutError: 'it does not answer in time',
  SocketTimeoutError: 'it does not answer in time',
  SocketClosedUnexpectedlyError: CLOSED,
  DisconnectsClientError: CLOSED,
  ClientClosedError: CLOSED,
  ClientOfflineError: CLOSED,
}

/** Of the system, of Node, or of OpenSSL. */
function codeOf(error: Error): string | undefined {
  const { code, cause, errors } = error as { code?: unknown; cause?: unknown; errors?: unknown } // Node's own
  if (typeof code === 'string' && /^[A-Z][A-Z0-9_]{2,60}$/.test(code)) return code
  if (cause instanceof Error) return codeOf(cause)
  const [first] = Array.isArray(errors) ? (errors as readonly unknown[]) : []
  return first instanceof Error ? codeOf(first) : undefined
}

/** There was no answer in time. */
export class RedisTimeout extends Error {
  constructor() {
    super('no answer in time')
    this.name = 'RedisTimeout'
  }
}
