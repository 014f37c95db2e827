import { type NotifyServiceManager, serviceNotification } from '../../connect/native/service-notification.ts'
import { type Clock, systemClock, type Timer } from '../../entry/events.ts'

type Environment = Readonly<Record<string, string | undefined>>

/** Of these, systemd wants one proof of liveness in `WATCHDOG_USEC`; half of it is what it recommends. */
const WATCHDOG_SHARE = 0.5

/**
 * Tells systemd what becomes of the service (`Type=notify`, sd_notify(3)). Without NOTIFY_SOCKET it does
 * nothing.
 */
export class ServiceManager {
  readonly #notify: NotifyServiceManager | undefined
  readonly #clock: Clock
  readonly #watchdogMs: number | undefined
  #timer: Timer | undefined

  constructor(
    environment: Environment = process.env,
    notify = serviceNotification(environment['NOTIFY_SOCKET']),
    clock: Clock = systemClock,
  ) {
    this.#notify = notify
    this.#clock = clock
    this.#watchdogMs = watchdogMs(environment, process.pid)
  }

  /** It takes requests, at the start and after a reload. */
  ready(): void {
    this.#notify?.('READY=1')
    if (this.#timer === undefined) this.#keepAlive()
  }

  reloading(): void {
    // Since systemd 253, for Type=notify-reload: by the clock that stops for no suspend.
    this.#notify?.(`RELOADING=1\nMONOTONIC_USEC=${process.hrtime.bigint() / 1_000n}`)
  }

  /** Another process has taken over. */
  replacedBy(pid: number): void {
    this.#timer?.cancel()
    this.#notify?.(`MAINPID=${pid}`)
  }

  stopping(): void {
    this.#notify?.('STOPPING=1')
  }

  close(): void {
    this.#timer?.cancel()
  }

  #keepAlive(): void {
    if (this.#watchdogMs === undefined || this.#notify === undefined) return
    this.#notify('WATCHDOG=1')
    this.#timer = this.#clock.setTimer(this.#watchdogMs * WATCHDOG_SHARE, () => this.#keepAlive())
  }
}

/** A successor inherits its predecessor's environment but not its pid; it is the main process now. */
function watchdogMs(environment: Environment, pid: number): number | undefined {
  const usec = Number(environment['WATCHDOG_USEC'])
  const meant = environment['WATCHDOG_PID']
  if (!Number.isSafeInteger(usec) || usec <= 0 || (meant !== undefined && Number(meant) !== pid))
    return undefined
  return usec / 1_000
}
