import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

interface Group {
  readonly file: string
  readonly type: string
  readonly constant: string
  /** The name of the group in a configuration. */
  readonly group: string
  /** The interface is another group's, and only what its constant says anew is shown. */
  readonly like?: string
}

const OPTIONS = 'src/options.ts'
const INGRESS = 'src/ingress/ingress-limits.ts'

/** Where the options live. */
const GROUPS: readonly Group[] = [
  { file: OPTIONS, type: 'PoolOptions', constant: 'DEFAULT_POOL_OPTIONS', group: 'pool' },
  { file: OPTIONS, type: 'TimeoutOptions', constant: 'DEFAULT_TIMEOUTS', group: 'timeouts' },
  {
    file: 'src/select-options.ts',
    type: 'SelectOptions',
    constant: 'DEFAULT_SELECT_OPTIONS',
    group: 'select',
  },
  { file: OPTIONS, type: 'RetryOptions', constant: 'DEFAULT_RETRY_OPTIONS', group: 'retry' },
  { file: OPTIONS, type: 'ResponseLimits', constant: 'DEFAULT_RESPONSE_LIMITS', group: 'limits' },
  { file: OPTIONS, type: 'Http2Options', constant: 'DEFAULT_HTTP2_OPTIONS', group: 'http2' },
  { file: OPTIONS, type: 'QuicOptions', constant: 'DEFAULT_QUIC_OPTIONS', group: 'quic' },
  { file: OPTIONS, type: 'Http3Options', constant: 'DEFAULT_HTTP3_OPTIONS', group: 'http3' },
  {
    file: OPTIONS,
    type: 'LivenessOptions',
    constant: 'DEFAULT_LIVENESS_OPTIONS',
    group: 'liveness',
  },
  {
    file: 'src/socket-options.ts',
    type: 'SocketOptions',
    constant: 'DEFAULT_SOCKET_OPTIONS',
    group: 'socket',
  },
  { file: 'src/global-limits.ts', type: 'GlobalLimits', constant: 'DEFAULT_GLOBAL_LIMITS', group: 'global' },
  { file: OPTIONS, type: 'TicketStoreOptions', constant: 'DEFAULT_TICKET_STORE_OPTIONS', group: 'tickets' },
  {
    file: 'src/resolver-options.ts',
    type: 'ResolverOptions',
    constant: 'DEFAULT_RESOLVER_OPTIONS',
    group: 'resolver',
  },
  { file: INGRESS, type: 'IngressLimits', constant: 'DEFAULT_INGRESS_LIMITS', group: 'ingress' },
  {
    file: INGRESS,
    type: 'IngressLimits',
    constant: 'DEFAULT_INGRESS_HTTP2_OPTIONS',
    group: 'ingress.http2',
    like: 'http2',
  },
  {
    file: INGRESS,
    type: 'IngressLimits',
    constant: 'DEFAULT_INGRESS_LIVENESS_OPTIONS',
    group: 'ingress.liveness',
    like: 'liveness',
  },
  {
    file: 'src/service/forwarding/buffer-options.ts',
    type: 'BufferOptions',
    constant: 'DEFAULT_BUFFER_OPTIONS',
    group: 'forwarding.buffering',
  },
  {
    file: 'src/service/lifecycle/unused-memory.ts',
    type: 'MemoryOptions',
    constant: 'DEFAULT_MEMORY_OPTIONS',
    group: 'memory',
  },
]

const root = new URL('../../', import.meta.url)

/** Every limit and timeout as Markdown table rows, read from the source: the docstring is the meaning, the constant the default. */
export function optionsTable(): string {
  const rows = GROUPS.flatMap(({ file, type, constant, group, like }) => {
    const source = readFileSync(fileURLToPath(new URL(file, root)), 'utf8')
    const defaults = readDefaults(source, constant)
    if (like !== undefined) {
      return Array.from(
        defaults,
        ([name, value]) => `| \`${group}.${name}\` | ${value} | \`${like}.${name}\`, towards clients |`,
      )
    }
    return readFields(source, type).map(
      ({ name, meaning }) => `| \`${group}.${name}\` | ${defaults.get(name) ?? 'see below'} | ${meaning} |`,
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
    [...body.matchAll(/(\w+): (?:([\d_.]+)|'([^']*)')/g)].map(([, name, value, word]) => [
      name ?? '',
      word === undefined ? (value ?? '').replaceAll('_', ' ') : `\`${word}\``,
    ]),
  )
}

function between(text: string, from: string, to: string): string {
  const start = text.indexOf(from)
  if (start < 0) throw new Error(`not found: ${from}`)
  return text.slice(start + from.length, text.indexOf(to, start))
}
