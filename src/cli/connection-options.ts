import { readFileSync } from 'node:fs'
import type { OriginOptions, TransportOptions } from '../index.ts'
import { protocolOption } from './protocol-option.ts'
import { usageError } from './usage-error.ts'

/** The options that every command has which connects; spread into its own for parseOptions. */
export const CONNECTION_OPTIONS = {
  protocol: { type: 'string' },
  ca: { type: 'string' },
  resolve: { type: 'string', multiple: true },
} as const

export const CONNECTION_HELP = `  --protocol P          auto, h3, h2 or http/1.1; auto lets the origin choose (ALPN)
  --ca FILE             PEM certificates to trust instead of the usual ones
  --resolve HOST:PORT:ADDR
                        connect to ADDR for that host and port; may be given several times
`

/** What these options mean to a transport. */
export function connectionOptions(values: {
  protocol?: string | undefined
  ca?: string | undefined
  resolve?: string[] | undefined
}): Pick<TransportOptions, 'resolve'> & { defaults: OriginOptions } {
  const protocol = protocolOption(values.protocol)
  const defaults: OriginOptions = {}
  if (protocol !== undefined) defaults.protocols = [protocol]
  if (values.ca !== undefined) defaults.tls = { ca: readPem(values.ca) }
  return { defaults, resolve: resolveOption(values.resolve ?? []) }
}

function readPem(file: string): string {
  let contents: string
  try {
    contents = readFileSync(file, 'utf8')
  } catch (error) {
    throw usageError(`--ca: cannot read the file: ${error instanceof Error ? error.message : String(error)}`)
  }
  if (!contents.includes('-----BEGIN CERTIFICATE-----'))
    throw usageError(`--ca: ${file} holds no PEM certificate`)
  return contents
}

function resolveOption(entries: readonly string[]): Record<string, string> {
  const addresses: Record<string, string> = {}
  for (const entry of entries) {
    const [, host, port, address] = /^([^:]+):(\d{1,5}):(.+)$/.exec(entry) ?? []
    if (host === undefined || port === undefined || address === undefined) {
      throw usageError(`--resolve must be HOST:PORT:ADDR, not ${JSON.stringify(entry)}`)
    }
    addresses[`${host.toLowerCase()}:${port}`] = address.replace(/^\[(.*)\]$/, '$1')
  }
  return addresses
}
