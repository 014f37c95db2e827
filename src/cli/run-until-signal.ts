import type { Service } from '../service/index.ts'
import type { SignalSource } from './cli-io.ts'
import { EXIT } from './exit-code.ts'

/** The exit code after a second signal: something was cut. */
const CUT_SHORT = 1

/**
 * Keeps a service until SIGTERM or SIGINT, then drains and closes it. SIGHUP reloads; the service says in its log how that went. The
 * signals are taken from the first moment, while the service still starts: a supervisor that reads "listening" in the log and
 * signals at once must not meet Node's default, which ends the process.
 */
export async function runUntilSignal(starting: Promise<Service>, signals: SignalSource): Promise<number> {
  let isStopping = false
  const ended = new Promise<number>((resolve, reject) => {
    const stop = () => {
      if (isStopping) {
        signals.exit(CUT_SHORT)
        return
      }
      isStopping = true
      starting
        .then(async service => {
          await service.drain()
          await service.close()
        })
        .then(() => resolve(EXIT.ok), reject)
    }
    signals.on('SIGTERM', stop)
    signals.on('SIGINT', stop)
    signals.on('SIGHUP', () => {
      starting.then(service => service.reload()).catch(reject)
    })
  })
  await starting
  return await ended
}
