// Who may import whom, as one table, and which files are pure. `npm run check` holds it. Without
// dependencies, and pure itself: it is handed paths and texts.
import { importGraph } from './source-graph.mjs'

/**
 * What the files of a folder (or one file) import beside their own folder: folders with all that is in them,
 * and single files. The longest entry that covers a file holds for it.
 */
const MAY_IMPORT = {
  // What everybody stands on.
  'src/base': [],
  'src/state': ['src/base'],

  // Protocols: bytes in, events and bytes out.
  'src/http/field-compression': ['src/base'],
  'src/http/hpack': ['src/base', 'src/http/field-compression'],
  'src/http/qpack': ['src/base', 'src/http/field-compression'],
  'src/http/http1': ['src/base'],
  'src/http/multiplex': ['src/base'],
  'src/http/http2': ['src/base', 'src/http/field-compression', 'src/http/hpack', 'src/http/multiplex'],
  'src/http/http3': [
    'src/base',
    'src/http/field-compression',
    'src/http/multiplex',
    'src/http/qpack',
    'src/quic/engine.ts',
  ],
  'src/quic': ['src/base', 'src/state', 'src/connect/local', 'src/connect/native/load-ffi.ts'],

  // Names to addresses, addresses to connections.
  'src/connect': ['src/base', 'src/state'],
  'src/connect/native': ['src/base'],
  'src/connect/openssl': ['src/base', 'src/connect/native', 'src/connect/tls/certificate-names.ts'],
  'src/connect/fast-open': ['src/base', 'src/connect/native'],
  'src/dns': ['src/base'],

  // A session over its carrier: the same in both roles.
  'src/webtransport': [
    'src/base',
    'src/http/http3/frames/capsule-reader.ts',
    'src/http/http3/frames/varint.ts',
  ],
  // A tunnel for datagrams, likewise.
  'src/masque': ['src/base', 'src/http/http3/frames/capsule-reader.ts', 'src/http/http3/frames/varint.ts'],

  // Which protocol, which connection. Both are handed what they need.
  'src/select': ['src/base', 'src/dns/records', 'src/dns/addresses.ts'],
  'src/pool': ['src/base'],
  'src/health': ['src/base'],
  'src/balance': ['src/base', 'src/health'],

  // One origin put together; one request on its way; the public calls.
  'src/origin': [
    'src/balance',
    'src/base',
    'src/connect',
    'src/dns',
    'src/health',
    'src/http',
    'src/masque',
    'src/pool',
    'src/quic',
    'src/select',
    'src/state',
  ],
  'src/exchange': ['src/balance', 'src/base', 'src/http/multiplex', 'src/origin', 'src/pool', 'src/select'],
  'src/api': [
    'src/base',
    'src/connect',
    'src/dns',
    'src/exchange',
    'src/masque',
    'src/origin',
    'src/pool',
    'src/select',
    'src/state/shares',
    'src/webtransport',
  ],
  'src/api/qlog': ['src/base'],
  'src/index.ts': ['src/api', 'src/base', 'src/origin', 'src/pool', 'src/webtransport'],
  'src/entry': [
    'src/api',
    'src/base',
    'src/connect/local',
    'src/dns',
    'src/exchange',
    'src/origin',
    'src/pool',
    'src/state/shares',
    'src/webtransport',
  ],

  'src/ingress': [
    'src/base',
    'src/http',
    'src/masque',
    'src/quic',
    'src/webtransport',
    'src/connect/native',
    'src/connect/tls/certificate-names.ts',
  ],

  // Who embeds us, the service among them: public entries only.
  'src/service': [
    'src/index.ts',
    'src/entry',
    'src/ingress',
    // One guard for the process, and what the service does for a process of its own.
    'src/base/guard.ts',
    'src/base/line-queue.ts',
    'src/base/nearest-name.ts', // what an unknown key was meant to be, for whoever reads names
    'src/base/package-require.ts',
    'src/base/socket/stream-socket.ts',
    'src/masque', // tunnels for datagrams, which a forward proxy ends
    'src/dns/networks.ts', // what a network is, for whoever reads lists of them
    'src/connect/native/listening-sockets.ts',
    'src/connect/native/malloc-trim.ts',
    'src/connect/native/service-notification.ts',
    'src/quic/routed-ids.ts', // how datagrams find their worker
    'src/state/shares', // what a supervisor shares out among its workers
  ],
  'src/bench': ['src/index.ts', 'src/entry', 'src/base/seeded-random.ts', 'src/base/package-require.ts'],
  'src/bench/impair': ['src/base'],
  'src/cli.ts': ['src/cli'],
  'src/cli': [
    'src/index.ts',
    'src/entry',
    'src/service',
    'src/bench',
    'src/base/nearest-name.ts',
    'src/base/package-require.ts',
    'src/base/tls-hints.ts', // what an error's hint is about, to say it in options
  ],
  // Its origin stands in for a real one.
  'src/cli/rehearsal.ts': ['src/index.ts', 'src/entry', 'src/testing', 'src/cli'],
  'src/testing': [
    'src/index.ts',
    'src/entry',
    'src/base',
    'src/http',
    'src/ingress',
    'src/quic',
    'src/webtransport',
  ],
  // What a foreign package calls: a user of the module, and of its listener.
  'src/webtransport-quiche': [
    'src/index.ts',
    'src/base',
    'src/ingress',
    'src/quic/load-engine.ts',
    'src/webtransport',
  ],
  'src/demo': ['src/index.ts', 'src/entry', 'src/service', 'src/testing', 'src/cli', 'src/bench/impair'],
}

/** Packages that one file speaks to, so that nobody else depends on their shape. */
const ONLY_IMPORTER = { 'dns-packet': 'src/dns/records/dns-message.ts' }

/**
 * No sockets, files, processes, timers, clock or randomness: `now` is an argument, and the answer is an
 * action or a delay.
 */
const PURE = [
  'src/pool',
  'src/balance',
  'src/health',
  'src/select',
  'src/state',
  'src/http',
  'src/webtransport/capsules.ts',
  'src/webtransport/session-flow.ts',
  'src/webtransport/datagram-queue.ts',
  'src/webtransport/send-orders.ts',
  'src/webtransport/protocol-fields.ts',
  'src/quic/migration',
  'src/quic/invariant-header.ts',
  'src/quic/initial-packets.ts',
  'src/quic/held-initials.ts',
  'src/quic/retry-token.ts',
  'src/quic/udp/batch-plan.ts',
  'src/quic/udp/control-messages.ts',
  'src/quic/udp/outbox.ts',
  'src/base/socket/socket-address.ts',
  'src/quic/udp/socket-mode.ts',
  'src/quic/quiche/path-bounces.ts',
  'src/quic/quiche/followed-client.ts',
  'src/api/qlog',
  'src/origin/probing/version-probe-packet.ts',
  'src/origin/retry-budget.ts',
  'src/origin/admission',
  'src/origin/hedging/latency-quantile.ts',
  'src/origin/origin-settings.ts',
  'src/origin/ledger',
  'src/origin/coalescing/coalescing.ts',
  'src/origin/coalescing/coalescing-decision.ts',
  'src/exchange/replay-rules.ts',
  'src/dns/records',
  'src/connect/tcp/dial-race.ts',
  'src/connect/tcp/connect-error.ts',
  'src/connect/fast-open/fast-open-breakers.ts',
  'src/base/http',
  'src/base/options',
  'src/base/error-codes.ts',
  'src/base/errors.ts',
  'src/service/routes',
  'src/service/lifecycle/settings-changes.ts',
  'src/service/lifecycle/unused-memory.ts',
  'src/service/metrics/summed-metrics.ts',
  'src/service/workers/http3-quarantine.ts',
  'src/service/workers/worker-table.ts',
  'src/bench/impair/conditions.ts',
  'src/bench/impair/datagram-line.ts',
  'src/bench/impair/packet-loss-model.ts',
  'src/bench/impair/piece-sender.ts',
  'src/bench/impair/rate-queue.ts',
  'src/bench/impair/stream-line.ts',
]

/** In pure folders, the thin files that do the I/O of the others. */
const DRIVERS = [
  'src/pool/pool-driver.ts',
  'src/pool/pools.ts',
  'src/select/race/race.ts',
  'src/select/probe/probe.ts',
  'src/state/store.ts',
  'src/state/file-records.ts',
  'src/state/private-files.ts',
  'src/state/shares/share-keeper.ts',
  'src/http/http1/connection.ts',
  'src/http/http1/connection-*.ts',
  'src/http/http2/connection.ts',
  'src/http/http2/connection-*.ts',
  'src/http/http3/connection.ts',
  'src/http/multiplex/connection.ts',
  'src/quic/migration/path-mover.ts',
  'src/api/qlog/qlog-file.ts',
]

const IO_MODULE =
  /^(?:import|export)\b[^'";]*\bfrom '(node:(?:net|tls|dgram|dns|http|https|http2|fs|timers|child_process|worker_threads)(?:\/[a-z]+)?)'/gm
const CLOCK = /\b(?:Date\.now\(|new Date\(\)|performance\.now\(|setTimeout\(|setInterval\(|setImmediate\()/
const RANDOM = /\bMath\.random\(/
const COMMENT_LINE = /^\s*(?:\/\/|\/?\*)/

/**
 * Every line of `files`, [path, text] with `/`, that breaks a rule of these tables: `src/pool/a.ts imports
 * src/connect/tcp/dial.ts: …`.
 */
export function trespasses(files) {
  const found = []
  const graph = importGraph(files)
  for (const [path, text] of files) {
    if (!path.startsWith('src/')) continue
    found.push(...importTrespasses(path, graph.get(path)), ...packageTrespasses(path, text))
    if (isPure(path)) found.push(...impurities(path, text))
  }
  return found
}

/** Folders and files of the tables that are not there any more. */
export function staleRules(paths) {
  const named = [...Object.entries(MAY_IMPORT).flat(2), ...Object.values(ONLY_IMPORTER), ...PURE, ...DRIVERS]
  return [...new Set(named)].filter(name => !paths.some(path => covers(name, path)))
}

function importTrespasses(path, targets) {
  const home = Object.keys(MAY_IMPORT)
    .filter(entry => covers(entry, path))
    .sort((a, b) => b.length - a.length)[0]
  if (home === undefined) return [`${path}: no rule says what it may import`]
  const allowed = [home, ...MAY_IMPORT[home]]
  return targets
    .filter(target => !allowed.some(entry => covers(entry, target)))
    .map(
      target =>
        `${path} imports ${target}: ${home} may import ${MAY_IMPORT[home].join(', ') || 'nothing else'}`,
    )
}

function packageTrespasses(path, text) {
  return Object.entries(ONLY_IMPORTER)
    .filter(([name, importer]) => path !== importer && new RegExp(`(?:from|import\\() ?'${name}'`).test(text))
    .map(([name, importer]) => `${path} imports ${name}: only ${importer} does`)
}

function impurities(path, text) {
  const code = text
    .split('\n')
    .filter(line => !COMMENT_LINE.test(line))
    .join('\n')
  const found = Array.from(code.matchAll(IO_MODULE), match => match)
    .filter(([statement]) => !statement.startsWith('import type'))
    .map(([, name]) => `${path} imports ${name}: it is pure, a driver does the I/O`)
  if (CLOCK.test(code))
    found.push(`${path} reads a clock or sets a timer: it is pure, \`now\` is an argument`)
  if (RANDOM.test(code)) found.push(`${path} draws a random number: it is pure, randomness is an argument`)
  return found
}

function isPure(path) {
  return PURE.some(entry => covers(entry, path)) && !DRIVERS.some(entry => covers(entry, path))
}

function covers(entry, path) {
  if (entry.includes('*')) return matches(entry, path)
  return path === entry || path.startsWith(`${entry}/`)
}

/** `*` stands for any text without a `/`. */
function matches(glob, path) {
  const [before, after] = glob.split('*')
  return path.startsWith(before) && path.endsWith(after) && !path.slice(before.length).includes('/')
}
