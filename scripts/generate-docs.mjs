// Writes what the documents take from the source: options, configuration keys, error codes, metrics, methods
// and the help of commands. In a page the made part stands between `<!-- made from the source: NAME -->` and
// `<!-- end of NAME -->`; the rest is written by hand.
//
//   node scripts/generate-docs.mjs           writes the pages
//   node scripts/generate-docs.mjs --check   names the pages that are stale, and exits with 1;
//                                            the command line is the one that was compiled last
//
// Declarations are found by their name, wherever they lie in src/, so that a file can move.
import { execFile } from 'node:child_process'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { ensureBuilt, root } from './setup.mjs'

/**
 * The groups of options: the name in a configuration, the interface with the docstrings, the constant with
 * the defaults.
 */
const OPTION_GROUPS = [
  ['pool', 'PoolOptions', 'DEFAULT_POOL_OPTIONS'],
  ['objective', 'ObjectiveOptions', 'DEFAULT_OBJECTIVE_OPTIONS'],
  ['protection', 'ProtectionOptions', 'DEFAULT_PROTECTION_OPTIONS'],
  ['timeouts', 'TimeoutOptions', 'DEFAULT_TIMEOUTS'],
  ['retry', 'RetryOptions', 'DEFAULT_RETRY_OPTIONS'],
  ['breakers', 'BreakerOptions', 'DEFAULT_BREAKER_OPTIONS'],
  ['concurrency', 'ConcurrencyOptions', 'DEFAULT_CONCURRENCY_OPTIONS'],
  ['select', 'SelectOptions', 'DEFAULT_SELECT_OPTIONS'],
  ['limits', 'ResponseLimits', 'DEFAULT_RESPONSE_LIMITS'],
  ['http2', 'Http2Options', 'DEFAULT_HTTP2_OPTIONS'],
  ['quic', 'QuicOptions', 'DEFAULT_QUIC_OPTIONS'],
  ['http3', 'Http3Options', 'DEFAULT_HTTP3_OPTIONS'],
  ['liveness', 'LivenessOptions', 'DEFAULT_LIVENESS_OPTIONS'],
  ['socket', 'SocketOptions', 'DEFAULT_SOCKET_OPTIONS'],
  ['balance', 'BalanceOptions', 'DEFAULT_BALANCE_OPTIONS'],
  ['health', 'HealthOptions', 'DEFAULT_HEALTH_OPTIONS'],
  ['outlier', 'OutlierOptions', 'DEFAULT_OUTLIER_OPTIONS'],
  ['hedge', 'HedgeOptions', 'DEFAULT_HEDGE_OPTIONS'],
  ['global', 'GlobalLimits', 'DEFAULT_GLOBAL_LIMITS'],
  ['tickets', 'TicketStoreOptions', 'DEFAULT_TICKET_STORE_OPTIONS'],
  ['resolver', 'ResolverOptions', 'DEFAULT_RESOLVER_OPTIONS'],
  ['ingress', 'IngressLimits', 'DEFAULT_INGRESS_LIMITS'],
  ['certificates', 'CertificateOptions', 'DEFAULT_CERTIFICATE_OPTIONS'],
  ['forwarding.buffering', 'BufferOptions', 'DEFAULT_BUFFER_OPTIONS'],
  ['memory', 'MemoryOptions', 'DEFAULT_MEMORY_OPTIONS'],
]
/** Groups that are another group's with a few defaults of their own: only those are listed. */
const OVERRIDES = [
  ['ingress.http2', 'http2', 'DEFAULT_INGRESS_HTTP2_OPTIONS'],
  ['ingress.liveness', 'liveness', 'DEFAULT_INGRESS_LIVENESS_OPTIONS'],
  ['ingress.quic', 'quic', 'DEFAULT_INGRESS_QUIC_OPTIONS'],
]
const COMMANDS = ['serve', 'upgrade', 'get', 'probe', 'explain', 'bench', 'size']

/** By page: the made parts by their names. */
const PAGES = {
  'docs/configuration.md': { keys: configurationKeys, options: optionGroups },
  'docs/errors.md': { errors: errorCodes },
  'docs/operations.md': { metrics },
  'docs/module-api.md': {
    methods: () => membersTable('Transport', 'method'),
    'transport options': () => fieldsTable('TransportOptions'),
    'request options': () => fieldsTable('RequestOptions'),
    'exchange info': () => fieldsTable('ExchangeInfo'),
  },
  'docs/cli.md': Object.fromEntries(COMMANDS.map(command => [`help of ${command}`, () => help(command)])),
}

const sources = readdirSync(join(root, 'src'), { withFileTypes: true, recursive: true })
  .filter(entry => entry.isFile() && entry.name.endsWith('.ts'))
  .map(entry => readFileSync(join(entry.parentPath ?? entry.path, entry.name), 'utf8'))

async function main(args) {
  const isCheck = args.includes('--check')
  if (!isCheck) ensureBuilt()
  const stale = []
  for (const [page, parts] of Object.entries(PAGES)) {
    const path = join(root, page)
    const before = readFileSync(path, 'utf8')
    let text = before
    for (const [name, make] of Object.entries(parts)) text = withPart(page, text, name, await make())
    if (text === before) continue
    stale.push(page)
    if (!isCheck) writeFileSync(path, text)
  }
  for (const page of stale) console.log(`${isCheck ? 'stale' : 'written'}: ${page}`)
  if (isCheck && stale.length > 0) {
    console.log('run `node scripts/generate-docs.mjs`, which writes them')
    process.exit(1)
  }
}

function withPart(page, text, name, made) {
  const [begin, end] = [`<!-- made from the source: ${name} -->`, `<!-- end of ${name} -->`]
  const [from, to] = [text.indexOf(begin), text.indexOf(end)]
  if (from < 0 || to < from) throw new Error(`${page} has no place for "${name}": ${begin} … ${end}`)
  return `${text.slice(0, from + begin.length)}\n${made.trim()}\n${text.slice(to)}`
}

// Configuration

function configurationKeys() {
  return [
    '### Top level',
    keysTable(readInterface('ServiceConfig').fields),
    '### `workers` as a mapping',
    keysTable(readInterface('WorkersConfig').fields),
    '### `admin` as a mapping',
    keysTable(readInterface('AdminConfig').fields),
    '### Each entry of `listen`',
    keysTable(readInterface('ListenConfig').fields),
    '### Each origin',
    keysTable(readInterface('OriginConfig').fields),
    '### Each origin, and `defaults`',
    keysTable(readInterface('OriginOptionsConfig').fields),
    '### `tls` of an origin',
    keysTable(readInterface('TlsOptions').fields),
    '### Each entry of `egress`',
    keysTable(readInterface('EgressConfig').fields),
    '### Each entry of `routes`',
    wrapped(readInterface('RouteConfig').doc),
    keysTable(readInterface('RouteConfig').fields),
  ].join('\n\n')
}

function keysTable(fields) {
  const rows = flat(fields).map(
    ({ key, type, doc }) => `| \`${key}\` | ${values(type, key)} | ${cell(doc, key)} |`,
  )
  return ['| key | values | meaning |', '|---|---|---|', ...rows].join('\n')
}

/** What stands at the top of a configuration and is shown with it. */
const SECTION =
  /^(boolean \| )?((?:Log|AccessLog|Forwarding|Shutdown|State|Redis|Qlog|Http3Listen|WebTransportListen|ListenTls|Rewrite|RouteTimeouts|RouteRetry|Mirror|FieldEdits|Redirect|Respond|Forward|ForwardAuth)Config) \| undefined$/

/** Fields of a mapping as `mapping.field`. */
function flat(fields, prefix = '') {
  return fields.flatMap(({ name, type, doc, fields: inner }) => {
    const key = prefix + name
    const [, flag, section] = SECTION.exec(type ?? '') ?? []
    const parts = inner ?? (section === undefined ? undefined : readInterface(section).fields)
    if (parts === undefined) return [{ key, type, doc }]
    const written = flag === undefined ? 'mapping' : 'boolean | mapping'
    return [{ key, type: written, doc }, ...flat(parts, `${key}.`)]
  })
}

/** A type as an operator writes a value. */
function values(type, key) {
  if (type.endsWith(' | undefined')) return values(type.slice(0, -' | undefined'.length), key)
  const group = /^OptionGroupInput<(\w+)>$/.exec(type)?.[1]
  if (group !== undefined) {
    // Two groups are called `limits` in a configuration.
    const name = OPTION_GROUPS.find(([, interfaceName]) => interfaceName === group)?.[0]
    if (name === undefined) throw new Error(`no option group is made of ${group}`)
    return `[the group](#${anchor(groupTitle(name))})`
  }
  const known = {
    'number | string': key.endsWith('Bytes') ? 'size' : 'duration',
    'string[]': 'list',
    '(string | EndpointOptions)[]': 'list of text or `{ address, weight, tier, zone }`',
    'readonly string[]': 'list',
    'number[]': 'list',
    'boolean | string[]': '`true`, `false`, list',
    'ListenConfig[]': 'list',
    'RouteConfig[]': 'list',
    'Record<string, ValueRuleConfig>': 'mapping',
    'Record<string, string>': 'mapping',
    'Record<string, OriginConfig>': 'mapping',
    'Record<string, EgressConfig>': 'mapping',
    'string | string[]': 'text or list',
    OriginOptionsConfig: 'mapping',
    NamedOriginConfig: 'mapping',
    "(Omit<TlsOptions, 'ca'> & { ca?: string | string[] | undefined })": 'mapping',
    'string | readonly string[]': 'text or list',
    "'off' | AdminConfig": '`off`, mapping',
    '{ read?: string | undefined; change?: string | undefined }': '`{ read, change }`',
    AdminTlsConfig: '`{ cert, key, clientCa, changeNames }`',
    "'off' | { port?: number | undefined; maxAge?: number | string | undefined }":
      '`off`, or `{ port, maxAge }`',
    '{ cert: string; key: string }': '`{ cert, key }`',
    '{ cert: string; key: string }[]': 'list of `{ cert, key }`',
    "'auto' | 'off' | number": '`auto`, `off`, number',
    "'auto' | 'off' | number | WorkersConfig": '`auto`, `off`, number, mapping',
    string: 'text',
    boolean: '`true`, `false`',
    number: 'number',
    mapping: 'mapping',
    'boolean | mapping': '`true`, `false`, mapping',
  }[type]
  if (known !== undefined) return known
  const words = namedWords(type) ?? type
  if (words.endsWith('[]')) return `list of ${values(words.slice(0, -2), key)}`
  const [, all, without] = /^Exclude<(\w+), ('[^']*')>$/.exec(words) ?? []
  if (all !== undefined)
    return (namedWords(all) ?? all)
      .split(' | ')
      .filter(word => word !== without)
      .join(', ')
      .replaceAll("'", '`')
  if (!/^'[^']*'(?: \| '[^']*')*$/.test(words)) throw new Error(`how is a value of the type ${type} written?`)
  return words.replaceAll("'", '`').replaceAll(' | ', ', ')
}

/**
 * What a union of words is called, or an array of them: `type ForwardedMode = 'both' | …`, or the type of a
 * constant's elements.
 */
function namedWords(type) {
  const name = type.replace(/\[\]$/, '')
  const suffix = name === type ? '' : '[]'
  for (const source of sources) {
    const alias = new RegExp(`export type ${name} =\\s+([^\\n]+)`).exec(source)?.[1]
    if (alias === undefined) continue
    const constant = /^\(typeof (\w+)\)\[number\]$/.exec(alias)?.[1]
    if (constant === undefined) return alias + suffix
    for (const other of sources) {
      const list = new RegExp(`const ${constant}[^=]*= \\[([^\\]]*)\\]`).exec(other)?.[1]
      if (list !== undefined)
        return (
          list
            .split(',')
            .map(word => word.trim())
            .filter(Boolean)
            .join(' | ') + suffix
        )
    }
  }
  return undefined
}

// Options

function optionGroups() {
  return OPTION_GROUPS.map(([group, type, constant]) => {
    const { doc, fields } = readInterface(type)
    const defaults = readDefaults(constant)
    const rows = fields.map(({ name, doc: meaning }) =>
      optionRow(`${group}.${name}`, defaults.get(name), meaning === '' ? 'As the one above.' : meaning),
    )
    for (const [own, like, ownDefaults] of OVERRIDES.filter(([name]) => name.startsWith(`${group}.`)))
      for (const [name, value] of readDefaults(ownDefaults))
        rows.push(tableRow(`${own}.${name}`, value, `\`${like}.${name}\`, towards clients.`))
    return [
      `### ${groupTitle(group)}`,
      ...paragraphs(doc).map(wrapped),
      ['| option | default | meaning |', '|---|---|---|', ...rows].join('\n'),
    ].join('\n\n')
  }).join('\n\n')
}

function groupTitle(group) {
  return group === 'global' ? 'Options of `global` (`limits` of a configuration)' : `Options of \`${group}\``
}

function optionRow(key, value, meaning) {
  const [, text = meaning, stated] = /^(.*) Default (\S+(?: ms| bytes)?)\.$/.exec(meaning) ?? []
  if (value === undefined) return `| \`${key}\` | see below | ${escaped(meaning)} |`
  const actual = defaultInWords(key, value)
  if (stated !== actual)
    throw new Error(
      `the docstring of ${key} says that its default is ${stated ?? 'nothing'}, and it is ${actual}`,
    )
  return tableRow(key, value, text)
}

function tableRow(key, value, meaning) {
  return `| \`${key}\` | ${defaultText(key, value)} | ${escaped(meaning)} |`
}

/** As a docstring states it, if it does: `10,000 ms`. */
function defaultInWords(key, value) {
  if (typeof value === 'string') return value === '' ? 'empty' : `\`${value}\``
  const unit = key.endsWith('Ms') ? ' ms' : key.endsWith('Bytes') ? ' bytes' : ''
  return typeof value === 'boolean' ? String(value) : `${value.toLocaleString('en-US')}${unit}`
}

/** As a configuration takes it: 90000 of `…Ms` is `90s`, 65536 of `…Bytes` is `64KiB`. */
function defaultText(key, value) {
  if (typeof value === 'string') return value === '' ? 'empty' : `\`${value}\``
  if (typeof value === 'boolean') return `\`${value}\``
  if (key.endsWith('Ms'))
    return inUnits(value, [
      ['h', 3_600_000],
      ['m', 60_000],
      ['s', 1_000],
      ['ms', 1],
    ])
  if (key.endsWith('Bytes'))
    return inUnits(value, [
      ['GiB', 2 ** 30],
      ['MiB', 2 ** 20],
      ['KiB', 2 ** 10],
      ['B', 1],
    ])
  return String(value)
}

function inUnits(value, units) {
  if (value === 0) return '0'
  const [unit, size] = units.find(([, each]) => value % each === 0)
  return `${value / size}${unit}`
}

function readDefaults(constant) {
  const source = declaring(`const ${constant}`)
  const open = source.indexOf('{', source.indexOf('=', source.indexOf(`const ${constant}`)))
  const entries = [
    ...source.slice(open + 1, source.indexOf('}', open)).matchAll(/(\w+): ('[^']*'|[^,\n]+?)\s*(?=[,\n]|$)/g),
  ]
  if (entries.length === 0) throw new Error(`${constant} has no defaults`)
  return new Map(entries.flatMap(([, name, value]) => (isLiteral(value) ? [[name, literal(value)]] : [])))
}

function isLiteral(value) {
  return /^(?:-?[\d_.]+|'[^']*'|true|false)$/.test(value)
}

function literal(value) {
  if (value.startsWith("'")) return value.slice(1, -1)
  return value === 'true' || value === 'false' ? value === 'true' : Number(value.replaceAll('_', ''))
}

// Errors

function errorCodes() {
  const body = bodyAfter(declaring('const ERROR_CODES'), 'const ERROR_CODES')
  const pattern =
    /(?:\/\*\*((?:(?!\*\/)[\s\S])*)\*\/\s*)?^ {2}(MM_\w+): (passing\(\s*)?(local|remote)\(\s*(\d+),\s*'(\w+)',\s*(?:'([^']*)'|"([^"]*)"),?\s*\),?\s*\)?,/gm
  const codes = [...body.matchAll(pattern)].map(
    ([, doc, code, passing, fault, status, proxyStatus, plain, quoted]) => {
      if (doc === undefined) throw new Error(`${code} has no docstring that says what happened`)
      const retryable = passing === undefined ? 'no' : 'yes'
      return { code, fault, status, proxyStatus, retryable, hint: plain ?? quoted, happened: docText(doc) }
    },
  )
  const all = [...body.matchAll(/^ {2}(MM_\w+):/gm)].length
  if (codes.length !== all) throw new Error(`${all - codes.length} error codes could not be read`)
  const table = codes.map(
    ({ code, fault, status, retryable, proxyStatus }) =>
      `| [\`${code}\`](#${code.toLowerCase()}) | ${fault} | ${status} | ${retryable} | \`${proxyStatus}\` |`,
  )
  const sections = codes.map(
    ({ code, happened, hint }) => `### ${code}\n${wrapped(happened)}\n\n${wrapped(`**Hint:** ${hint}.`)}`,
  )
  return [
    ['| code | fault | status | retryable | Proxy-Status |', '|---|---|---|---|---|', ...table].join('\n'),
    ...sections,
  ].join('\n\n')
}

// Metrics

function metrics() {
  const found = new Map()
  const string = `(?:'((?:[^'\\\\]|\\\\.)*)'|"([^"]*)"|\`([^\`]*)\`)`
  const pattern = new RegExp(`['\`](middlemile_\\w+)['\`],\\s*${string}`, 'g')
  for (const source of sources)
    for (const [, name, plain, quoted, template] of source.matchAll(pattern))
      found.set(name, plain ?? quoted ?? template)
  // Those of handshakes share a beginning: `paid('rtts_total', …)`.
  const handshakes = declaring('middlemile_handshake_')
  for (const [, name, plain, quoted] of handshakes.matchAll(
    new RegExp(`\\b(?:paid|avoided)\\(\\s*'(\\w+)',\\s*${string}`, 'g'),
  ))
    found.set(`middlemile_handshake_${name}`, plain ?? quoted)
  const names = new Set(
    sources.flatMap(source => [...source.matchAll(/['`](middlemile_\w+)['`]/g)].map(([, name]) => name)),
  )
  const without = [...names].filter(name => !found.has(name))
  if (without.length > 0) throw new Error(`no help was found of ${without.join(', ')}`)
  const rows = [...found]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, text]) => `| \`${name}\` | ${escaped(text)} |`)
  return ['| metric | counts |', '|---|---|', ...rows].join('\n')
}

// The module and the command line

function fieldsTable(type) {
  const rows = flat(readInterface(type).fields).map(
    ({ key, type: of, doc }) =>
      `| \`${key}\` | ${of === 'mapping' ? of : `\`${escaped(of)}\``} | ${escaped(doc)} |`,
  )
  return ['| field | type | meaning |', '|---|---|---|', ...rows].join('\n')
}

function membersTable(type, kind) {
  const body = bodyAfter(declaring(`interface ${type} `), `interface ${type} `)
  const rows = [...body.matchAll(/(?:\/\*\*((?:(?!\*\/)[\s\S])*)\*\/\s*)?^ {2}(\w+)\(/gm)].map(
    ([, doc, name]) => `| \`${name}()\` | ${cell(docText(doc ?? ''), name)} |`,
  )
  return [`| ${kind} | does |`, '|---|---|', ...rows].join('\n')
}

/** What each command prints of itself, by command; all of them are asked at once. */
let helps

async function help(command) {
  const ask = promisify(execFile)
  helps ??= COMMANDS.map(name => ask(process.execPath, [join(root, 'dist', 'cli.js'), name, '--help']))
  const { stdout } = await helps[COMMANDS.indexOf(command)]
  return `\`\`\`console\n$ middlemile ${command} --help\n${stdout.trimEnd()}\n\`\`\``
}

// Reading TypeScript, as far as the tables need it

function declaring(text) {
  const found = sources.filter(source => source.includes(text))
  const declared = found.filter(source => new RegExp(`(?:export )?${text}`).test(source))
  if (declared.length === 0) throw new Error(`nothing in src/ declares ${text}`)
  const exported = declared.find(source => source.includes(`export ${text}`))
  return exported ?? declared[0]
}

/** What stands between the braces that open behind `text`, and close at the same indentation. */
function bodyAfter(source, text) {
  const start = source.indexOf(text)
  const open = source.indexOf('{\n', start)
  return source.slice(open + 2, source.indexOf('\n}', open) + 1)
}

/** The fields of an interface in their order, those of mappings within it as well, with their docstrings. */
function readInterface(name) {
  const source = declaring(`interface ${name} `)
  const start = source.indexOf(`interface ${name} `)
  const before = /\/\*\*((?:(?!\*\/)[\s\S])*)\*\/\s*(?:export )?$/.exec(source.slice(0, start))
  return {
    doc: docText(before?.[1] ?? ''),
    fields: readFields(bodyAfter(source, `interface ${name} `).split('\n'), 2),
  }
}

function readFields(lines, indent) {
  const fields = []
  let doc = ''
  for (let at = 0; at < lines.length; at++) {
    const line = lines[at]
    if (line.trim().startsWith('/**')) {
      const from = at
      while (!lines[at].includes('*/')) at++
      doc = docText(
        lines
          .slice(from, at + 1)
          .join('\n')
          .replace(/^\s*\/\*\*/, '')
          .replace(/\*\/\s*$/, ''),
      )
      continue
    }
    const field = /^( *)(?:readonly )?(\w+)\??: (.+)$/.exec(line)
    if (field === null || field[1].length !== indent) continue
    const [, , name, type] = field
    if (type === '{') {
      const from = at + 1
      while (lines[at] !== `${' '.repeat(indent)}}`) at++
      fields.push({ name, type: 'mapping', doc, fields: readFields(lines.slice(from, at), indent + 2) })
    } else fields.push({ name, type, doc })
    doc = ''
  }
  return fields
}

/** The prose of a docstring, without its example. */
function docText(comment) {
  return comment
    .replace(/\n[\s*]*@[\s\S]*$/, '')
    .replaceAll(/\s*\n\s*\*? ?/g, ' ')
    .trim()
}

function cell(doc, key) {
  if (doc === '') throw new Error(`${key} has no docstring`)
  return escaped(doc)
}

function escaped(text) {
  return text.replaceAll('|', '\\|').replaceAll(/\\'/g, "'")
}

/** Prose of at most two sentences each. */
function paragraphs(text) {
  const sentences = text.split(/(?<=\.) (?=[A-Z`0])/)
  const made = []
  while (sentences.length > 0) made.push(sentences.splice(0, 2).join(' '))
  return made
}

/** In lines of at most 118 columns. */
function wrapped(text) {
  const lines = ['']
  for (const word of text.split(' ')) {
    const line = lines.at(-1)
    if (line !== '' && line.length + word.length >= 118) lines.push(word)
    else lines[lines.length - 1] = line === '' ? word : `${line} ${word}`
  }
  return lines.join('\n')
}

/** As GitHub makes it of a heading. */
function anchor(title) {
  return title
    .toLowerCase()
    .replaceAll(/[^\w\- ]/g, '')
    .replaceAll(' ', '-')
}

await main(process.argv.slice(2))
