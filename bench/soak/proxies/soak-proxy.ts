import type { CertificateFiles } from '../../../test/support/certificate-files.ts'
import type { HangingResolver } from '../hanging-resolver.ts'
import type { OriginAddress } from '../origin/start-origins.ts'

export interface SoakProxyParts {
  readonly directory: string
  readonly addresses: readonly OriginAddress[]
  readonly certificates: CertificateFiles
  /**
   * Where names hang: the connector also gets names that only this server could know. Undefined: it gets
   * none.
   */
  readonly resolver: HangingResolver | undefined
}

/** What stands between the clients and the nine origins. */
export interface SoakProxy extends AsyncDisposable {
  readonly name: string
  readonly pid: number
  /** In cleartext; the second one by prior knowledge. */
  readonly http1Port: number
  readonly http2Port: number
  hasExited(): boolean
  /** The end of what it wrote, for messages. */
  output(): string
  /** Only of the connector: its admin pages and its log. */
  readonly adminUrl?: string
  readonly logFile?: string
}
