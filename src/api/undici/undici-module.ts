import type { Dispatcher, errors } from 'undici'
import { lazyModule } from '../../base/package-require.ts'

interface UndiciParts {
  readonly Dispatcher: typeof Dispatcher
  readonly errors: typeof errors
  /** `request`, `stream`, `pipeline`, `connect` and `upgrade` of a Dispatcher. */
  readonly api: object
}

/**
 * What of undici a dispatcher is made of, a tenth of undici: programs that use neither dispatcher() nor
 * fetch() never load it.
 */
export const undici = lazyModule<UndiciParts>(require => ({
  Dispatcher: require('undici/lib/dispatcher/dispatcher.js'),
  errors: require('undici/lib/core/errors.js'),
  api: require('undici/lib/api/index.js'),
}))
