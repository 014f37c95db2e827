import type { QuicHandover } from './quic-sockets.ts'

/** Descriptors that a process finds open at its start, and what it is to do for who left them. */
export interface Inherited {
  readonly listening: readonly number[]
  /** Of those, Unix sockets whose files a service manager removes. */
  readonly foreign: readonly number[]
  /** Of HTTP/3, one for each address. */
  readonly quic: readonly QuicHandover[]
  /** Of the admin server of who is to be replaced. */
  readonly admin: number | undefined
  /** The directory that its workers share; see SharedState. */
  readonly state: string | undefined
  /** Where it says that it is ready; undefined: nobody waits. */
  readonly ready: number | undefined
}

type Environment = Record<string, string | undefined>

/** From a service to its successor. */
const LISTEN = 'MIDDLEMILE_LISTEN_FDS'
const FOREIGN = 'MIDDLEMILE_FOREIGN_FDS'
const QUIC = 'MIDDLEMILE_QUIC_SOCKETS'
const ADMIN = 'MIDDLEMILE_ADMIN_FD'
const STATE = 'MIDDLEMILE_SHARED_STATE'
const READY = 'MIDDLEMILE_READY_FD'
/** From systemd: sd_listen_fds(3). */
const OF_SYSTEMD = ['LISTEN_FDS', 'LISTEN_PID', 'LISTEN_FDNAMES'] as const
const FIRST_OF_SYSTEMD = 3
const MAX_DESCRIPTORS = 4_096

/**
 * What was handed over by who starts this process, a predecessor or systemd. It is taken out of the
 * environment, since it is nothing for child processes.
 */
export function takeInherited(environment: Environment, pid: number): Inherited {
  const given = ofSystemd(environment, pid)
  const inherited = {
    listening: [...numbers(environment[LISTEN]), ...given],
    foreign: [...numbers(environment[FOREIGN]), ...given],
    quic: handovers(environment[QUIC]),
    admin: numbers(environment[ADMIN])[0],
    state: environment[STATE],
    ready: numbers(environment[READY])[0],
  }
  for (const name of [LISTEN, FOREIGN, QUIC, ADMIN, STATE, READY, ...OF_SYSTEMD]) delete environment[name]
  return inherited
}

/** The environment of a successor, and the descriptors behind its standard streams, in order. */
export function handOver(
  environment: Environment,
  { listening, foreign, quic, admin, state }: Omit<Inherited, 'ready'>,
): { readonly environment: Environment; readonly descriptors: readonly number[]; readonly ready: number } {
  // 3 is the pipe on which it says that it is ready.
  const ready = 3
  const first = ready + 1
  const descriptors = [
    ...listening,
    ...(admin === undefined ? [] : [admin]),
    ...quic.flatMap(({ fds }) => fds),
  ]
  let next = first + descriptors.length - quic.reduce((count, { fds }) => count + fds.length, 0)
  const renumbered = quic.map(one => ({ ...one, fds: one.fds.map(() => next++) }))
  return {
    ready,
    descriptors,
    environment: {
      ...environment,
      WATCHDOG_PID: undefined, // it meant this process
      [READY]: String(ready),
      [LISTEN]: listening.map((_, index) => first + index).join(','),
      ...(foreign.length > 0 && {
        [FOREIGN]: foreign.map(fd => first + listening.indexOf(fd)).join(','),
      }),
      ...(quic.length > 0 && { [QUIC]: JSON.stringify(renumbered) }),
      ...(state !== undefined && { [STATE]: state }),
      ...(admin !== undefined && { [ADMIN]: String(first + listening.length) }),
    },
  }
}

function ofSystemd(environment: Environment, pid: number): number[] {
  if (Number(environment['LISTEN_PID']) !== pid) return []
  const count = Number(environment['LISTEN_FDS'])
  if (!Number.isSafeInteger(count) || count < 0 || count > MAX_DESCRIPTORS) return []
  return Array.from({ length: count }, (_, index) => FIRST_OF_SYSTEMD + index)
}

/** Nothing where it is not what handOver() writes. */
function handovers(text: string | undefined): QuicHandover[] {
  if (text === undefined) return []
  try {
    const parsed: unknown = JSON.parse(text)
    return Array.isArray(parsed) ? parsed.filter(isHandover) : []
  } catch {
    return []
  }
}

function isHandover(value: unknown): value is QuicHandover {
  if (typeof value !== 'object' || value === null) return false
  const { fds, mark, used } = value as Record<string, unknown> // an object
  return (
    isWholeNumber(mark) &&
    Array.isArray(fds) &&
    fds.length > 0 &&
    fds.length <= MAX_DESCRIPTORS &&
    fds.every(isWholeNumber) &&
    Array.isArray(used) &&
    used.every(
      (one: { socket?: unknown; pid?: unknown } | null) =>
        isWholeNumber(one?.socket) && isWholeNumber(one?.pid),
    )
  )
}

function isWholeNumber(value: unknown): boolean {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0
}

function numbers(list: string | undefined): number[] {
  if (list === undefined || !/^\d+(?:,\d+)*$/.test(list)) return []
  return list.split(',').map(Number).slice(0, MAX_DESCRIPTORS)
}
