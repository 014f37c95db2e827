import type { Service, StartOptions } from '../service/index.ts'
import type { SignalSource } from './command.ts'
import { EXIT } from './command.ts'

/** The exit code after a second signal: something was cut. */
const CUT_SHORT = 1

/**
 * Keeps a service until SIGTERM or SIGINT, or until it gives itself up, then drains and closes it. SIGHUP
 * reloads; the service says in its log how that went. The signals are taken from the first moment, while the
 * service still starts: a supervisor that reads "listening" in the log and signals at once must not meet
 * Node's default, which ends the process.
 */
export async function runUntilSignal(
  start: (options: StartOptions) => Promise<Service>,
  signals: SignalSource,
): Promise<number> {
  let isStopping = false
  let stop: (exitCode: number) => void = () => {}
  const starting = start({ onTooManyFaults: () => stop(EXIT.faults), returnsMemory: true })
  const ended = new Promise<number>((resolve, reject) => {
    stop = exitCode => {
      if (isStopping) return
      isStopping = true
      starting
        .then(async service => {
          await service.drain()
          await service.close()
        })
        .then(() => resolve(exitCode), reject)
    }
    const onSignal = (): void => {
      if (isStopping) signals.exit(CUT_SHORT)
      else stop(EXIT.ok)
    }
    signals.on('SIGTERM', onSignal)
    signals.on('SIGINT', onSignal)
    signals.on('SIGHUP', () => {
      starting.then(service => service.reload()).catch(reject)
    })
  })
  await starting
  return await ended
}
