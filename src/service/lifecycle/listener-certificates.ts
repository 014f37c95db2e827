import { X509Certificate } from 'node:crypto'
import { createSecureContext } from 'node:tls'
import type { Logger } from 'pino'
import { guardedPromise } from '../../base/guard.ts'
import type { Clock, Timer } from '../../entry/events.ts'
import type { IngressListener } from '../../ingress/listener.ts'
import type { CertificatePair } from '../../ingress/tls/server-certificates.ts'
import { validityFault } from '../config/config-doubts.ts'
import { formatListenAddress } from '../config/fields/listen-address.ts'
import type { ListenCertificate } from '../config/fields/tls-fields.ts'
import { isSameListener, type ListenSettings } from '../config/service-settings.ts'
import { WatchedCertificate } from './certificate-watch.ts'
import { PairFiles } from './pair-files.ts'

/** What became of a certificate whose files had changed. */
type CertificateOutcome = 'loaded' | 'refused'

interface CertificateParts {
  readonly clock: Clock
  readonly logger: Logger
  /** What the listeners were opened by. */
  readonly startedWith: readonly ListenSettings[]
  /** Those that are open, each with its entry of `listen`. */
  readonly listeners: () => readonly { readonly entry: number; readonly listener: IngressListener }[]
  /** 0: files are not looked at. */
  readonly checkIntervalMs: () => number
  readonly onOutcome: (outcome: CertificateOutcome) => void
}

/** One certificate of an entry of `listen`, by its place there. */
interface Watched {
  readonly entry: number
  readonly at: number
  readonly files: PairFiles
  readonly watch: WatchedCertificate
}

/** How often it is looked whether files are to be looked at again after all. */
const OFF_MS = 5_000

/**
 * The certificates that listeners show: from the configuration, and from their files when these change.
 * Connections that are open keep the one that they began with.
 */
export class ListenerCertificates {
  readonly #parts: CertificateParts
  #taken: readonly ListenSettings[]
  /** What is shown, by entry of `listen`. */
  #shown: (readonly ListenCertificate[])[]
  #watched: readonly Watched[] = []
  #timer: Timer | undefined
  #isClosed = false

  constructor(parts: CertificateParts) {
    this.#parts = parts
    this.#taken = parts.startedWith
    this.#shown = parts.startedWith.map(({ tls }) => tls?.certificates ?? [])
    this.#watch()
    this.#schedule()
  }

  /** Another configuration. One that was taken before leaves what came from files since. */
  take(listen: readonly ListenSettings[]): void {
    if (listen === this.#taken) return
    this.#taken = listen
    for (const [entry, started] of this.#parts.startedWith.entries()) {
      const tls = listen[entry]?.tls
      if (tls === undefined || !isSameListener(started, listen[entry])) continue
      this.#show(entry, tls.certificates)
    }
    this.#watch()
  }

  close(): void {
    this.#isClosed = true
    this.#timer?.cancel()
  }

  #watch(): void {
    this.#watched = this.#shown.flatMap((certificates, entry) =>
      certificates.flatMap(({ files, ...pair }, at) =>
        files === undefined
          ? []
          : [{ entry, at, files: new PairFiles(files), watch: new WatchedCertificate(pair) }],
      ),
    )
  }

  #schedule(): void {
    if (this.#isClosed) return
    const { clock, checkIntervalMs } = this.#parts
    const intervalMs = checkIntervalMs()
    this.#timer = clock.setTimer(intervalMs === 0 ? OFF_MS : intervalMs, () =>
      guardedPromise(
        'looking at the files of certificates',
        (intervalMs === 0 ? Promise.resolve() : this.#look()).finally(() => this.#schedule()),
      ),
    )
  }

  async #look(): Promise<void> {
    for (const watched of this.#watched) {
      const { entry, at, files, watch } = watched
      const read = await files.read(watch.isWaiting)
      if (this.#isClosed || !this.#watched.includes(watched)) return // a reload came in between
      if (read === undefined) continue
      const step = watch.next(read, pairFault)
      if (step.type === 'refuse') this.#refuse(watched, step.because)
      if (step.type !== 'load') continue
      const before = this.#shown[entry] ?? []
      const next = before.map((one, place) => (place === at ? { ...step.pair, files: files.paths } : one))
      try {
        this.#show(entry, next)
        this.#parts.onOutcome('loaded')
      } catch (error) {
        this.#refuse(watched, error instanceof Error ? error.message : String(error))
      }
    }
  }

  #refuse({ files }: Watched, because: string): void {
    this.#parts.onOutcome('refused')
    this.#parts.logger.error(
      `the old certificate stays, that of ${files.paths.cert} cannot be used: ${because}`,
    )
  }

  #show(entry: number, certificates: readonly ListenCertificate[]): void {
    // QUIC last opened: it refuses more than TLS over TCP, and nothing has changed then.
    for (const { entry: of, listener } of this.#parts.listeners().toReversed()) {
      if (of !== entry || !listener.renewCertificates(certificates)) continue
      const address = formatListenAddress({ host: listener.address, port: listener.port })
      this.#parts.logger.info(
        `listener ${address}: new handshakes get the certificates that were read just now`,
      )
    }
    this.#shown[entry] = certificates
  }
}

/** Why new handshakes cannot have it. */
function pairFault(pair: CertificatePair): string | undefined {
  try {
    createSecureContext({ cert: pair.cert, key: pair.key })
    return validityFault(new X509Certificate(pair.cert), Date.now())
  } catch (error) {
    return error instanceof Error ? error.message : String(error)
  }
}
