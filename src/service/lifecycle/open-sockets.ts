import { randomBytes } from 'node:crypto'
import type { Logger } from 'pino'
import { DEFAULT_GLOBAL_LIMITS } from '../../entry/options.ts'
import { type AcceptPlan, planAccept } from '../../ingress/accept-gate.ts'
import { DEFAULT_INGRESS_LIMITS } from '../../ingress/ingress-limits.ts'
import type { IngressListener } from '../../ingress/listener.ts'
import { unixPathOf } from '../../ingress/unix-socket.ts'
import type { AdminActions } from '../admin/admin-routes.ts'
import { type AdminServer, startAdminServer } from '../admin/admin-server.ts'
import { formatListenAddress, type ListenAddress } from '../config/fields/listen-address.ts'
import type { ServiceSettings } from '../config/service-settings.ts'
import { isAddressInUse, listenFailure } from './listen-failure.ts'
import { type InheritedEntry, listeningLine, openListeners, type Serving } from './open-listeners.ts'
import { removeStaleSocket, takeSocketFile } from './unix-socket-file.ts'

/** The sockets of a service. */
export interface OpenSockets {
  readonly listeners: readonly OpenListener[]
  readonly admin: AdminServer | undefined
  /** Where the supervisor of this process has its own. */
  readonly supervisorAdmin: ListenAddress | undefined
}

/** A listener, and which entry of `listen` it is of: a worker may have several of one. */
interface OpenListener {
  readonly entry: number
  readonly listener: IngressListener
}

/** Sockets that are open already, for each entry of `listen`. */
export type InheritedSockets = readonly InheritedEntry[]

/** What the workers of one service have in common. */
export interface SharedSockets {
  readonly inherited?: InheritedSockets | undefined
  /** Seals the tickets that clients resume with. Default: one of this process. */
  readonly ticketSecret?: Buffer | undefined
  /** Where the supervisor has its admin server. */
  readonly supervisorAdmin?: ListenAddress | undefined
}

/** Opens the admin server and every listener; when one cannot be opened, none stays open. */
export async function openSockets(
  settings: ServiceSettings,
  serving: Serving,
  actions: AdminActions,
  logger: Logger,
  { inherited, ticketSecret = randomBytes(32), supervisorAdmin }: SharedSockets = {},
): Promise<OpenSockets> {
  const listeners: OpenListener[] = []
  const room = acceptPlan(settings, logger)?.room
  let admin: AdminServer | undefined
  try {
    admin = await openAdmin(settings, actions, logger)
    for (const [index, entry] of settings.listen.entries()) {
      const opened = await openListeners(
        { ...serving, settings, entry, logger, room, ticketSecret },
        inherited?.[index],
      )
      listeners.push(...opened.map(listener => ({ entry: index, listener })))
      const [first] = opened
      // Whoever has opened an inherited one has said so.
      if (inherited !== undefined || first === undefined) continue
      logger.info(listeningLine(entry, { host: first.address, port: first.port }))
    }
  } catch (error) {
    await Promise.all([...listeners.map(({ listener }) => listener.close()), admin?.close()])
    throw error
  }
  return { listeners, admin, supervisorAdmin }
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
  const { address, mode, isExplicit, tls, access } = settings.admin
  if (address === undefined) return undefined
  const path = inherited === undefined ? unixPathOf(address.host) : undefined
  const open = async (): Promise<AdminServer> => {
    if (path !== undefined) await removeStaleSocket(path)
    return await startAdminServer({ address, tls, access }, actions, inherited)
  }
  const admin = await open().catch(async (error: unknown) => {
    if (isExplicit || !isAddressInUse(error)) throw listenFailure('the admin server', address, error)
    // Two connectors on one machine, neither of which was given where its admin server goes.
    logger.warn(`admin: ${formatListenAddress(address)} is in use, taking a free port`)
    return await startAdminServer({ address: { ...address, port: 0 }, tls, access }, actions)
  })
  if (path !== undefined && mode !== undefined) takeSocketFile(path, mode)
  logger.info(`admin on ${tls === undefined ? 'http' : 'https'}://${formatListenAddress(admin.address)}`)
  return admin
}
