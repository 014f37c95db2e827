import { checkNames, type Names } from '../base/options/option-names.ts'
import type { RequestOptions } from './types.ts'

const REQUEST_NAMES: Names<RequestOptions> = {
  method: 1,
  headers: 1,
  body: 1,
  signal: 1,
  earlyData: 1,
  headersTimeoutMs: 1,
  bodyTimeoutMs: 1,
}

/** Throws MM_INVALID_ARGUMENT for an option of transport.request() that there is not. */
export function checkRequestNames(options: RequestOptions): void {
  checkNames('request()', options, REQUEST_NAMES)
}
