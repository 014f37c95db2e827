import { UNDECIDING } from '../../src/bench/clients/client-settings.ts'
import { runRounds } from '../../src/bench/load/rounds.ts'
import { formatNumber, formatTable } from '../../src/bench/report/table.ts'
import { median } from '../../src/bench/results/statistics.ts'
import { NO_HEADERS } from '../../src/entry/dispatch.ts'
import type { Connection } from '../../src/entry/events.ts'
import { createTransport, parseOrigin, type Transport } from '../../src/index.ts'
import { startCaddy } from '../../test/support/caddy.ts'
import { startNginx } from '../../test/support/nginx.ts'
import { requireBinary } from '../../test/support/require-binary.ts'
import { requireQuic } from '../../test/support/require-quic.ts'
import { CountingHandler } from '../clients/counting-handler.ts'
import { TRANSPORT_ROWS, type TransportRow } from '../first-byte/first-byte-rows.ts'

/**
 * What a connection costs the client's CPU, by how it comes to be: its handshake, one small request and its
 * end, over loopback. The servers run in processes of their own and count for nothing here. Run: npm run
 * bench -- micro/handshake
 */

const ROUNDS = 7
const CONNECTIONS = 150
const WARM_UP_CONNECTIONS = 400

interface Subject {
  readonly row: TransportRow
  readonly transport: Transport
  readonly url: URL
}

const missing = requireBinary('nginx', 'caddy') ?? requireQuic()
if (missing === undefined) await main()
else console.log(missing)

async function main(): Promise<void> {
  await using nginx = await startNginx({
    tlsProtocols: ['TLSv1.3'],
    http2: true,
    extraServer: 'ssl_early_data on;',
  })
  await using caddy = await startCaddy({ http3: true })
  // Fast Open changes when a handshake begins, not what it costs.
  const subjects = TRANSPORT_ROWS.filter(({ claims }) => !claims.fastOpen).map((row): Subject => {
    const { url, certificates } = row.protocol === 'h3' ? caddy : nginx
    const transport = createTransport({
      defaults: {
        select: UNDECIDING,
        ...row.options,
        tls: { ca: certificates.ca },
        pool: { maxRequests: 1 },
      },
      tickets: row.claims.resumed ? {} : { maxPeers: 0 },
    })
    return { row, transport, url: new URL(`${url}/1k`) }
  })
  try {
    const measured = await runRounds<Subject>({
      subjects,
      rounds: ROUNDS,
      warmUp: async subject => void (await connections(subject, WARM_UP_CONNECTIONS)),
      measure: subject => connections(subject, CONNECTIONS),
    })
    const rows = [...measured].map(([{ row }, rounds]) => {
      const cpu = rounds.map(({ cpuMs = Number.NaN }) => cpuMs)
      const figures = [
        median(cpu),
        Math.min(...cpu),
        Math.max(...cpu),
        median(rounds.map(({ asCalled = Number.NaN }) => asCalled)),
      ]
      return [`${row.name} (${row.protocol})`, ...figures.map(formatNumber)]
    })
    console.log(
      formatTable(
        ['client, one connection with one request', 'CPU ms', 'least', 'most', '% as called'],
        rows,
      ),
    )
  } finally {
    for (const { transport } of subjects) await transport.close()
  }
}

/** One after the other. `asCalled`: how many were resumed, and took early data, as their row says. */
async function connections(subject: Subject, count: number): Promise<{ cpuMs: number; asCalled: number }> {
  let asCalled = 0
  const before = process.cpuUsage()
  for (let i = 0; i < count; i++) if (isAsCalled(subject.row, await request(subject))) asCalled++
  const { user, system } = process.cpuUsage(before)
  return { cpuMs: (user + system) / 1000 / count, asCalled: (100 * asCalled) / count }
}

function request({ transport, url }: Subject): Promise<Connection | undefined> {
  return new Promise((resolve, reject) => {
    const handler = new CountingHandler((_status, _bytes, error) => {
      // What became of early data is written down behind the handler.
      if (error === undefined) setImmediate(() => resolve(handle.connection))
      else reject(error)
    })
    const request = { method: 'GET', path: url.pathname, headers: NO_HEADERS, body: null }
    const handle = transport.dispatch(parseOrigin(url.origin), request, handler)
  })
}

function isAsCalled({ claims }: TransportRow, connection: Connection | undefined): boolean {
  if (connection === undefined) return false
  const { kind, earlyData } = connection.handshake
  return (kind !== 'full') === claims.resumed && (earlyData === 'accepted') === claims.earlyData
}
