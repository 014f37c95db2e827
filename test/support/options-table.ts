import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

/** Where the options live: file, interface, constant with the defaults, and the name of the group in a configuration. */
const GROUPS = [
  ['src/options.ts', 'PoolOptions', 'DEFAULT_POOL_OPTIONS', 'pool'],
  ['src/options.ts', 'TimeoutOptions', 'DEFAULT_TIMEOUTS', 'timeouts'],
  ['src/options.ts', 'RetryOptions', 'DEFAULT_RETRY_OPTIONS', 'retry'],
  ['src/options.ts', 'ResponseLimits', 'DEFAULT_RESPONSE_LIMITS', 'limits'],
  ['src/options.ts', 'SocketOptions', 'DEFAULT_SOCKET_OPTIONS', 'socket'],
  ['src/options.ts', 'GlobalLimits', 'DEFAULT_GLOBAL_LIMITS', 'global'],
  ['src/options.ts', 'TicketStoreOptions', 'DEFAULT_TICKET_STORE_OPTIONS', 'tickets'],
  ['src/options.ts', 'ResolverOptions', 'DEFAULT_RESOLVER_OPTIONS', 'resolver'],
  ['src/ingress/ingress-limits.ts', 'IngressLimits', 'DEFAULT_INGRESS_LIMITS', 'ingress'],
] as const

const root = new URL('../../', import.meta.url)

/** Every limit and timeout as Markdown table rows, read from the source: the docstring is the meaning, the constant the default. */
export function optionsTable(): string {
  const rows = GROUPS.flatMap(([file, type, constant, group]) => {
    const source = readFileSync(fileURLToPath(new URL(file, root)), 'utf8')
    const defaults = readDefaults(source, constant)
    return readFields(source, type).map(
      ({ name, meaning }) => `| \`${group}.${name}\` | ${defaults.get(name)} | ${meaning} |`,
    )
  })
  return ['| option | default | meaning |', '|---|---|---|', ...rows].join('\n')
}

function readFields(source: string, type: string): { name: string; meaning: string }[] {
  const fields: { name: string; meaning: string }[] = []
  const body = between(source, `interface ${type} {`, '\n}')
  let meaning = ''
  for (const match of body.matchAll(/\/\*\*([\s\S]*?)\*\/|^ {2}(\w+)\??: /gm)) {
    const [, comment, name] = match
    if (comment !== undefined) meaning = comment.replaceAll(/\s*\n\s*\*\s?/g, ' ').trim()
    else if (name !== undefined) {
      fields.push({ name, meaning: meaning === '' ? 'as above' : meaning.replaceAll('|', '\\|') })
      meaning = ''
    }
  }
  return fields
}

function readDefaults(source: string, constant: string): Map<string, string> {
  const body = between(source, `export const ${constant}`, '}')
  return new Map(
    [...body.matchAll(/(\w+): ([\d_.]+)/g)].map(([, name, value]) => [
      name ?? '',
      (value ?? '').replaceAll('_', ' '),
    ]),
  )
}

function between(text: string, from: string, to: string): string {
  const start = text.indexOf(from)
  if (start < 0) throw new Error(`not found: ${from}`)
  return text.slice(start + from.length, text.indexOf(to, start))
}
