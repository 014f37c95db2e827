import type { MigrationReport } from '../../../../src/base/events/migration-report.ts'
import type { UdpAddress } from '../../../../src/quic/engine.ts'
import type { MigrationAction } from '../../../../src/quic/migration/migration-phase.ts'
import { MigrationState } from '../../../../src/quic/migration/migration-state.ts'
import type { MigrationOptions } from '../../../../src/quic/migration/move-core.ts'
import type { PathFault } from '../../../../src/quic/migration/path-watch.ts'

/** A path is known by its port: `A` is 127.0.0.1:1, where each connection begins, `B` port 2, and so on. */
const at = (name: string): UdpAddress => ({ host: '127.0.0.1', port: name.charCodeAt(0) - 64 })
const nameOf = ({ port }: UdpAddress): string => String.fromCharCode(64 + port)

/**
 * Runs the machine with a probe timeout of 100 ms, and writes down what it asks for as a test can read it:
 * `open 1`, `migrate B`, `timer 300`.
 */
export class MigrationRecorder {
  readonly state: MigrationState
  readonly reports: MigrationReport[] = []
  refusal: string | undefined
  ptoMs = 100

  constructor(options: Partial<MigrationOptions> = {}) {
    this.state = new MigrationState({
      local: at('A'),
      ptoMs: () => this.ptoMs,
      refusal: () => this.refusal,
      maxMigrations: 7,
      ...options,
    })
  }

  fine = (now: number) => this.#words(this.state.onVerdict({ kind: 'fine' }, now))
  ask = (now: number) => this.#words(this.state.onVerdict({ kind: 'ask' }, now))
  suspect = (now: number, cause: PathFault = 'timeouts', asks = false, rttMs = 40) =>
    this.#words(this.state.onVerdict({ kind: 'suspect', cause, asks, rttMs }, now))
  failed = (now: number, cause: PathFault = 'timeouts') =>
    this.#words(this.state.onVerdict({ kind: 'failed', cause }, now))
  forced = (now: number, request = 1, to?: { address?: string; port?: number }) =>
    this.#words(this.state.onForced(request, to, now))
  gone = (name: string, now: number, cause: 'address-gone' | 'socket-error' = 'address-gone') =>
    this.#words(this.state.onLocalGone(at(name), cause, 'gone', now))
  opened = (opening: number, name: string, now: number) =>
    this.#words(this.state.onOpened(opening, at(name), now))
  openFailed = (opening: number, now: number) => this.#words(this.state.onOpenFailed(opening, 'no', now))
  validated = (name: string, now: number) => this.#words(this.state.onValidated(at(name), now))
  invalid = (name: string, now: number) => this.#words(this.state.onValidationFailed(at(name), now))
  migrateFailed = (name: string, now: number) =>
    this.#words(this.state.onMigrateFailed(at(name), 'out of ids', now))
  received = (name: string, now: number) => this.#words(this.state.onReceived(at(name), now))
  progress = (now: number) => this.#words(this.state.onProgress(now))
  idle = (now: number) => this.#words(this.state.onIdle(now))
  timer = (now: number) => this.#words(this.state.onTimer(now))
  abandoned = (now: number) => this.#words(this.state.onAbandoned(now))

  /** The peer's word, or ours. */
  forbid(because = 'the peer forbids it'): void {
    this.refusal = because
  }

  get at(): string {
    return `${this.state.name} ${nameOf(this.state.local)}`
  }

  #words(actions: readonly MigrationAction[]): string[] {
    return actions.map(action => {
      switch (action.type) {
        case 'openSocket': {
          const { opening, address, port } = action
          const target =
            address === undefined && port === undefined ? '' : ` ${address ?? '*'}:${port ?? '*'}`
          return `open ${opening}${target}`
        }
        case 'validate':
        case 'migrate':
          return `${action.type} ${nameOf(action.local)}`
        case 'closeSocket':
          return `close ${nameOf(action.local)}`
        case 'resend':
          return `resend ${nameOf(action.from)}>${nameOf(action.to)}`
        case 'report': {
          const { cause, outcome, from, to, gapMs } = action.report
          this.reports.push(action.report)
          const way = `${nameOf(from)}>${to === undefined ? '-' : nameOf(to)}`
          const gap = gapMs === undefined ? '' : ` gap ${gapMs}`
          const asked = action.requests.length === 0 ? '' : ` for ${action.requests.join(',')}`
          return `report ${cause} ${outcome} ${way}${gap}${asked}`
        }
        case 'redial':
          return `redial${action.isPathDead ? ' dead' : ''}`
        case 'setTimer':
          return `timer ${action.delayMs}`
        case 'clearTimer':
          return 'no timer'
        default:
          return action.type
      }
    })
  }
}
