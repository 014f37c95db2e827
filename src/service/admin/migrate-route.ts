import { type MigrateOptions, type MigrationResult, TransportError } from '../../index.ts'
import { type AdminInput, type AdminResponse, adminError, json } from './admin-response.ts'

/** Undefined: no origin has that name. Rejects with MM_INVALID_ARGUMENT for what is no address or no port. */
export type Migrate = (
  originName: string,
  to: MigrateOptions,
) => Promise<readonly MigrationResult[] | undefined>

/**
 * Moves the connections to an origin. `address` and `port` come in the query or in a JSON body; the system
 * chooses what is left out. 200: at least one has moved. 409: none has, with the reason of each.
 */
export async function answerMigrate(
  migrate: Migrate,
  name: string,
  input: AdminInput,
): Promise<AdminResponse> {
  let results: readonly MigrationResult[] | undefined
  try {
    results = await migrate(name, target(input))
  } catch (error) {
    if (error instanceof TransportError && error.code === 'MM_INVALID_ARGUMENT')
      return adminError(400, error.code, error.message)
    throw error
  }
  if (results === undefined)
    return adminError(404, 'MM_NO_ROUTE', `no origin is called ${JSON.stringify(name)}`)
  const moved = results.filter(({ report }) => report?.outcome === 'moved').length
  if (moved > 0) return json(200, { moved, connections: results })
  const because =
    results.length === 0 ? 'no connection to the origin is open' : 'no connection could be moved'
  return json(409, { moved, because, connections: results })
}

/** Throws MM_INVALID_ARGUMENT for what cannot be read. */
function target({ query, body }: AdminInput): MigrateOptions {
  const given: Record<string, unknown> = { ...Object.fromEntries(query), ...parsedBody(body) }
  const unknown = Object.keys(given).find(name => name !== 'address' && name !== 'port')
  if (unknown !== undefined) throw refusal(`${JSON.stringify(unknown)} is neither address nor port`)
  const { address, port } = given
  if (address !== undefined && typeof address !== 'string') throw refusal('address must be a string')
  if (port === undefined) return { address }
  // A query has only text.
  const number = typeof port === 'string' && /^\d{1,5}$/.test(port) ? Number(port) : port
  if (typeof number !== 'number') throw refusal('port must be a number')
  return { address, port: number }
}

function parsedBody(body: string): object {
  if (body.trim() === '') return {}
  let value: unknown
  try {
    value = JSON.parse(body)
  } catch (cause) {
    throw refusal('the body is no JSON', cause)
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw refusal('the body must be a JSON object')
  return value
}

function refusal(message: string, cause?: unknown): TransportError {
  return new TransportError('MM_INVALID_ARGUMENT', message, { cause })
}
