import type { OriginOptions } from '../../index.ts'
import { KNOWN_PROTOCOLS } from '../config/built-features.ts'
import type { ServiceSettings } from '../config/service-settings.ts'

/** How long HTTP/3 to an origin is left alone after a crash, the first time and at the most. */
const BASE_MS = 60_000
const MAX_MS = 3_600_000

interface Entry {
  until: number
  /** Doubles with each further crash. */
  durationMs: number
}

/**
 * Origins to which no worker speaks HTTP/3 for a while, since a worker that did was ended by a fault in
 * native code. Which of its origins it was nobody can tell from outside: all that had HTTP/3 in that worker
 * are left alone, and HTTP/2 serves them meanwhile. Pure: `now` is an argument.
 */
export class Http3Quarantine {
  readonly #entries = new Map<string, Entry>()

  /** A worker with HTTP/3 to these origins has crashed. */
  add(origins: readonly string[], now: number): void {
    for (const origin of origins) {
      const before = this.#entries.get(origin)
      const durationMs = before === undefined ? BASE_MS : Math.min(MAX_MS, before.durationMs * 2)
      this.#entries.set(origin, { until: now + durationMs, durationMs })
    }
  }

  /** Those without HTTP/3 now. One that stayed sound as long again as it was left alone begins anew. */
  at(now: number): readonly string[] {
    const current: string[] = []
    for (const [origin, { until, durationMs }] of this.#entries) {
      if (now < until) current.push(origin)
      else if (now >= until + durationMs) this.#entries.delete(origin)
    }
    return current
  }
}

/** Signals of a process that ran into a fault of native code, or gave itself up in it (signal(7)). */
const NATIVE_SIGNALS: ReadonlySet<string> = new Set([
  'SIGABRT',
  'SIGSEGV',
  'SIGBUS',
  'SIGILL',
  'SIGFPE',
  'SIGTRAP',
])

/** Nothing in JavaScript ends a process with one of these but process.abort(). */
export function isNativeCrash(signal: string | null): boolean {
  return signal !== null && NATIVE_SIGNALS.has(signal)
}

/** The settings with HTTP/3 left out for these origins, by key; who has nothing else keeps it. */
export function withoutHttp3(settings: ServiceSettings, keys: readonly string[]): ServiceSettings {
  if (keys.length === 0) return settings
  const { defaults, origins = {} } = settings.transport
  const changed: Record<string, OriginOptions> = { ...origins }
  for (const key of keys) {
    const options = origins[key]
    if (options === undefined) continue // a reload has removed it
    const protocols = (options.protocols ?? defaults?.protocols ?? KNOWN_PROTOCOLS).filter(
      protocol => protocol !== 'h3',
    )
    if (protocols.length > 0) changed[key] = { ...options, protocols }
  }
  return { ...settings, transport: { ...settings.transport, origins: changed } }
}
