/** Steps from the top of the configuration to a value. */
export type ConfigPath = readonly (string | number)[]

/** One thing that is wrong with a configuration. */
export interface ConfigFault {
  /** As people write it: `origins.shop.pool.warm`, `listen[0].address`; '' is the whole. */
  path: string
  message: string
  /** Counted from 1; absent when the configuration did not come from text. */
  line?: number
  column?: number
}

/** A fault before it is known where in the text it stands. */
export interface UnplacedFault {
  path: ConfigPath
  message: string
  /** Points at the key itself and not at its value. */
  atKey?: boolean
}

const PLAIN_KEY = /^[A-Za-z_][\w-]*$/

/** `['origins', 'my shop', 'hosts', 0]` as `origins["my shop"].hosts[0]`. */
export function formatPath(path: ConfigPath): string {
  let text = ''
  for (const step of path) {
    if (typeof step === 'number') text += `[${step}]`
    else if (!PLAIN_KEY.test(step)) text += `[${JSON.stringify(step)}]`
    else text += text === '' ? step : `.${step}`
  }
  return text
}

/**
 * `config.yaml:12:5: origins.shop.pool.warm: must be …`
 *
 * @example
 * ```ts
 * const read = await readConfigFile('middlemile.yaml')
 * if (!read.ok) for (const fault of read.faults) console.error(formatFault(fault, 'middlemile.yaml'))
 * ```
 */
export function formatFault(fault: ConfigFault, file?: string): string {
  const place = [file, fault.line, fault.column].filter(part => part !== undefined).join(':')
  return [place, fault.path, fault.message].filter(part => part !== '').join(': ')
}
