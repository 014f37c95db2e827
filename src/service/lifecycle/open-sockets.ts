import type { Logger } from 'pino'
import { systemClock } from '../../entry/events.ts'
import { DEFAULT_GLOBAL_LIMITS } from '../../entry/options.ts'
import { TransportError } from '../../index.ts'
import { type AcceptPlan, planAccept } from '../../ingress/accept-gate.ts'
import type { IngressHandler } from '../../ingress/ingress-exchange.ts'
import { DEFAULT_INGRESS_LIMITS } from '../../ingress/ingress-limits.ts'
import { listen, type TcpListener } from '../../ingress/listener.ts'
import type { AdminActions } from '../admin/admin-routes.ts'
import { type AdminServer, startAdminServer } from '../admin/admin-server.ts'
import { formatListenAddress, type ListenAddress } from '../config/fields/listen-address.ts'
import type { ServiceSettings } from '../config/service-settings.ts'
import { trustOf } from '../forwarding/forwarded-chain.ts'
import { proxyStatusName } from '../forwarding/own-response.ts'
import { ingressLog } from '../logging/ingress-log.ts'

const REASONS: Readonly<Record<string, string>> = {
  EADDRINUSE: 'the address is in use',
  EACCES: 'permission denied',
  EADDRNOTAVAIL: 'this machine does not have that address',
}

/** Why a server could not be opened, with the address that it was to have. */
export function listenFailure(what: string, address: ListenAddress, cause: unknown): TransportError {
  const reason = REASONS[errorCode(cause)] ?? (cause instanceof Error ? cause.message : String(cause))
  return new TransportError(
    'MM_LISTEN_FAILED',
    `cannot open ${what} on ${formatListenAddress(address)}: ${reason}`,
    {
      cause,
    },
  )
}

export function isAddressInUse(error: unknown): boolean {
  return errorCode(error) === 'EADDRINUSE'
}

function errorCode(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : ''
}

/** The sockets of a service. */
export interface OpenSockets {
  readonly listeners: readonly OpenListener[]
  readonly admin: AdminServer | undefined
}

/** A listener, and which entry of `listen` it is of: a worker may have several of one. */
interface OpenListener {
  readonly entry: number
  readonly listener: TcpListener
}

/** Descriptors of sockets that listen already, a list for each entry of `listen`. */
export type InheritedSockets = readonly (readonly number[])[]

/** Opens the admin server and every listener; when one cannot be opened, none stays open. */
export async function openSockets(
  settings: ServiceSettings,
  handler: IngressHandler,
  actions: AdminActions,
  logger: Logger,
  inherited?: InheritedSockets,
): Promise<OpenSockets> {
  const listeners: OpenListener[] = []
  const plan = acceptPlan(settings, logger)
  let admin: AdminServer | undefined
  try {
    admin = await openAdmin(settings, actions, logger)
    for (const [entry, { address, tls, protocols, fastOpen, proxyProtocol }] of settings.listen.entries()) {
      for (const descriptor of inherited?.[entry] ?? [undefined]) {
        const listener = await listen({
          address,
          ...(descriptor !== undefined && { descriptor }),
          ...(tls !== undefined && { tls }),
          protocols,
          fastOpen,
          ...(proxyProtocol !== false && { proxyProtocol: { isTrusted: trustOf(proxyProtocol) } }),
          limits: settings.ingress,
          ...(plan !== undefined && { room: plan.room }),
          handler,
          clock: systemClock,
          observer: ingressLog(logger),
          proxyName: proxyStatusName(settings.forwarding.pseudonym),
        }).catch((error: unknown) => {
          throw listenFailure('a listener', address, error)
        })
        listeners.push({ entry, listener })
        // Whoever has opened an inherited one has said so.
        if (descriptor === undefined)
          logger.info(listeningLine(tls !== undefined, listener.address, listener.port))
      }
    }
  } catch (error) {
    await Promise.all([...listeners.map(({ listener }) => listener.close()), admin?.close()])
    throw error
  }
  return { listeners, admin }
}

/** `listening on https://127.0.0.1:8443` */
export function listeningLine(isTls: boolean, host: string, port: number): string {
  return `listening on ${isTls ? 'https' : 'http'}://${formatListenAddress({ host, port })}`
}

/** Says what a limit of descriptors leaves of the defaults, and what does not fit into it. */
function acceptPlan({ listen, ingress, transport }: ServiceSettings, logger: Logger): AcceptPlan | undefined {
  const given = ingress.maxConnections === 0 ? undefined : ingress.maxConnections
  const maxTotalConnections = transport.limits?.maxTotalConnections
  const plan = planAccept({
    listeners: listen.length,
    maxConnections: given,
    defaultMaxConnections: DEFAULT_INGRESS_LIMITS.maxConnections,
    maxTotalConnections: maxTotalConnections ?? DEFAULT_GLOBAL_LIMITS.maxTotalConnections,
  })
  if (plan === undefined) return undefined
  const { limit, room } = plan
  const clients =
    (given ?? Math.min(room.maxConnections, DEFAULT_INGRESS_LIMITS.maxConnections)) * listen.length
  const origins =
    (maxTotalConnections ??
      Math.min(
        plan.origins ?? DEFAULT_GLOBAL_LIMITS.maxTotalConnections,
        DEFAULT_GLOBAL_LIMITS.maxTotalConnections,
      )) +
    // By default they take what the share of the origins leaves.
    (transport.limits?.maxStalledConnections ?? 0)
  const counts = `${clients} connections of clients and ${origins} to origins`
  if (clients + origins > room.maxDescriptors)
    logger.warn(
      `${counts} do not fit into the ${limit} descriptors of this process (ingress.maxConnections, limits.maxTotalConnections, LimitNOFILE, ulimit -n)`,
    )
  else if (plan.clients !== undefined)
    logger.info(`${limit} descriptors: room for ${counts}; LimitNOFILE or ulimit -n gives more`)
  return plan
}

/** Undefined: there is to be none. */
export async function openAdmin(
  settings: Pick<ServiceSettings, 'admin'>,
  actions: AdminActions,
  logger: Logger,
  inherited?: number,
): Promise<AdminServer | undefined> {
  const { address, isExplicit } = settings.admin
  if (address === undefined) return undefined
  const admin = await startAdminServer(address, actions, inherited).catch(async (error: unknown) => {
    if (isExplicit || !isAddressInUse(error)) throw listenFailure('the admin server', address, error)
    // Two connectors on one machine, neither of which was given where its admin server goes.
    logger.warn(`admin: ${formatListenAddress(address)} is in use, taking a free port`)
    return await startAdminServer({ ...address, port: 0 }, actions)
  })
  logger.info(`admin on http://${formatListenAddress(admin.address)}`)
  return admin
}
