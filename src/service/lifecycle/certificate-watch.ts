import type { CertificatePair } from '../../ingress/tls/server-certificates.ts'

/** How the files of certificates are watched. */
export interface CertificateOptions {
  /**
   * How often the files of certificates that listeners show are looked at. Where certificate and key have
   * changed, fit together and are valid now, new handshakes get them, without a reload; else the old ones
   * stay, and the log says why. 0: only a reload reads them. Default 5,000 ms.
   */
  checkIntervalMs: number
}

export const DEFAULT_CERTIFICATE_OPTIONS: Readonly<CertificateOptions> = { checkIntervalMs: 5_000 }

/** What two files hold now, or why they cannot be read. */
export type ReadPair = CertificatePair | { readonly because: string }

export type WatchStep =
  /** Nothing has changed since the last look. */
  | { readonly type: 'same' }
  /** It has changed, and is of no use so far: whoever writes it may go on. Look again. */
  | { readonly type: 'wait' }
  | { readonly type: 'load'; readonly pair: CertificatePair }
  /** It is of no use, and has been twice: said once. */
  | { readonly type: 'refuse'; readonly because: string }

/**
 * Decides about one certificate whose files change. The two are written one after the other, by tools that
 * rename files, or that point a link elsewhere (certbot, Kubernetes): in between they do not fit together,
 * which is nothing to report. What is still so at the next look is.
 */
export class WatchedCertificate {
  #shown: CertificatePair
  /** What was of no use at the last look, and whether that was said. */
  #doubtful: { readonly text: string; readonly isSaid: boolean } | undefined

  constructor(shown: CertificatePair) {
    this.#shown = shown
  }

  /** Something may still come of what was seen last. */
  get isWaiting(): boolean {
    return this.#doubtful?.isSaid === false
  }

  /** `faultOf`: why a pair cannot be shown; undefined: it can. */
  next(read: ReadPair, faultOf: (pair: CertificatePair) => string | undefined): WatchStep {
    const isRead = 'cert' in read
    if (isRead && read.cert === this.#shown.cert && read.key === this.#shown.key) {
      this.#doubtful = undefined
      return { type: 'same' }
    }
    const because = isRead ? faultOf(read) : read.because
    if (isRead && because === undefined) {
      this.#shown = read
      this.#doubtful = undefined
      return { type: 'load', pair: read }
    }
    const text = isRead ? `${read.cert}\n${read.key}` : read.because
    const before = this.#doubtful
    if (before?.text !== text) {
      this.#doubtful = { text, isSaid: false }
      return { type: 'wait' }
    }
    if (before.isSaid) return { type: 'same' }
    this.#doubtful = { text, isSaid: true }
    return { type: 'refuse', because: because ?? '' }
  }
}
