/**
 * The connector as a service, for programs that run it themselves.
 *
 * ```ts
 * import { startService } from 'middlemile/service'
 * await using service = await startService({
 *   listen: [{ address: '127.0.0.1:8080' }],
 *   origins: { shop: { url: 'https://origin.example' } },
 * })
 * ```
 */

export { type ConfigFault, formatFault } from './config/config-fault.ts'
export { formatListenAddress, type ListenAddress } from './config/fields/listen-address.ts'
export type { ListenConfig } from './config/listen-config.ts'
export type { OriginConfig, OriginOptionsConfig } from './config/origin-config.ts'
export { readConfigFile } from './config/read-config-file.ts'
export type { ServiceConfig } from './config/service-config.ts'
export type { ReloadResult, Service } from './lifecycle/service-api.ts'
export { type StartOptions, startService, startServiceFromFile } from './lifecycle/start-service.ts'
