import type { MigrationReport } from '../../base/events/migration-report.ts'
import type { UdpAddress } from '../engine.ts'

/** What the machine wants done, in order. */
export type MigrationAction =
  /** Open a socket to the same peer: onOpened or onOpenFailed with the same `opening` follows. */
  | {
      readonly type: 'openSocket'
      readonly opening: number
      readonly address: string | undefined
      readonly port: number | undefined
    }
  /** Send a PATH_CHALLENGE from there (again). When the engine refuses: onValidationFailed at once. */
  | { readonly type: 'validate'; readonly local: UdpAddress }
  /** Send everything from there. When the engine refuses: onMigrateFailed at once. */
  | { readonly type: 'migrate'; readonly local: UdpAddress }
  /**
   * The dead-path trick: migrate to `from` and back to `to`, with no flush between. The socket of `from` may
   * be gone.
   */
  | { readonly type: 'bounce'; readonly from: UdpAddress; readonly to: UdpAddress }
  /** Put out something that must be acknowledged, on the path in use. */
  | { readonly type: 'ping' }
  | { readonly type: 'closeSocket'; readonly local: UdpAddress }
  /** `requests`: what onForced was given for those who wait for it. */
  | { readonly type: 'report'; readonly report: MigrationReport; readonly requests: readonly number[] }
  /** No move is possible: a new connection takes over. This one drains, or ends when its path is dead. */
  | { readonly type: 'redial'; readonly because: string; readonly isPathDead: boolean }
  /** Call onTimer after this; it replaces the one before. */
  | { readonly type: 'setTimer'; readonly delayMs: number }
  | { readonly type: 'clearTimer' }
