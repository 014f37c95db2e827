import { guardedListener } from '../../base/guard.ts'
import { packageRequire } from '../../base/package-require.ts'
import { TransportError } from '../../index.ts'
import type { RedisSettings } from '../config/service-settings.ts'

/** One connection to Redis. It ends once, and is not made again: another one takes its place. */
export interface RedisClient {
  /** It has connected, and the password was right. */
  readonly opened: Promise<unknown>
  /** Rejects with what Redis answers, or with the end of the connection. */
  send(words: readonly string[]): Promise<unknown>
  /** At once. */
  end(): void
}

/** As much of @redis/client as we use. */
interface RedisPackage {
  readonly createClient: (options: object) => PackageClient
}

interface PackageClient {
  connect(): Promise<unknown>
  sendCommand(words: readonly string[]): Promise<unknown>
  destroy(): void
  on(event: 'error', listener: (error: unknown) => void): unknown
}

/** Questions that wait for an answer at once: one for each origin, in two steps one after the other. */
const MAX_COMMANDS = 4_096

/**
 * The package, which nobody loads who has no `state.redis`. Throws MM_CONFIG_INVALID where it is not
 * installed.
 */
export function loadRedisPackage(): RedisPackage {
  try {
    return packageRequire()('@redis/client') as RedisPackage // the version is pinned
  } catch (error) {
    const because = error instanceof Error ? (error.message.split('\n')[0] ?? '') : String(error)
    throw new TransportError(
      'MM_CONFIG_INVALID',
      `state.redis needs the package @redis/client, which cannot be loaded: ${because}`,
    )
  }
}

/** Begins to connect. `onEnded`: the connection is no more, or what comes over it makes no sense. */
export function openRedis(
  { createClient }: RedisPackage,
  { url, tls, connectTimeoutMs }: RedisSettings,
  onEnded: (error: unknown) => void,
): RedisClient {
  const client = createClient({
    url,
    RESP: 2, // what every version speaks
    disableOfflineQueue: true,
    disableClientInfo: true,
    maintNotifications: 'disabled',
    commandsQueueMaxLength: MAX_COMMANDS,
    socket: { connectTimeout: connectTimeoutMs, reconnectStrategy: false, ...tls },
  })
  // Among them what the reply parser throws: what comes after that has lost its place.
  client.on(
    'error',
    guardedListener('the client of Redis', onEnded, () => client.destroy()),
  )
  return {
    opened: client.connect(),
    send: words => client.sendCommand(words),
    end: () => client.destroy(),
  }
}
