import type * as Undici from 'undici'
import { lazyModule } from '../../base/lazy-module.ts'

/**
 * undici, for its Dispatcher and its errors: programs that use neither dispatcher() nor fetch() never load
 * it.
 */
export const undici = lazyModule(require => require('undici') as typeof Undici) // what it exports
