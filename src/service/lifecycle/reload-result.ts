import type { ConfigFault } from '../config/config-fault.ts'

/** What became of a reload. A bad configuration changes nothing. */
export type ReloadResult =
  | { readonly ok: true; readonly warnings: readonly string[] }
  | { readonly ok: false; readonly faults: readonly ConfigFault[] }
