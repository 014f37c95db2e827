import type { Service } from '../service/index.ts'
import type { SignalSource } from './cli-io.ts'
import { EXIT } from './exit-code.ts'

/** The exit code after a second signal: something was cut. */
const CUT_SHORT = 1

/** Keeps a service until SIGTERM or SIGINT, then drains and closes it. SIGHUP reloads; the service says in its log how that went. */
export function runUntilSignal(service: Service, signals: SignalSource): Promise<number> {
  return new Promise((resolve, reject) => {
    let isStopping = false
    const stop = () => {
      if (isStopping) {
        signals.exit(CUT_SHORT)
        return
      }
      isStopping = true
      service
        .drain()
        .then(() => service.close())
        .then(() => resolve(EXIT.ok), reject)
    }
    signals.on('SIGTERM', stop)
    signals.on('SIGINT', stop)
    signals.on('SIGHUP', () => {
      service.reload().catch(reject)
    })
  })
}
