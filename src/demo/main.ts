import { formatListenAddress } from '../service/index.ts'
import { DEMO_ORIGINS, runningOrigins, startOrigins } from './demo-origins.ts'
import { LiveSummary } from './live-summary.ts'
import { hostOf, startConnector } from './start-connector.ts'
import { summarize } from './summary-line.ts'

// `npm start`: the connector in front of a handful of origins that live in a process beside it.

const origins = await startOrigins()
const { service, notice } = await startConnector(origins, process.env['PORT'])
const [address = { host: '127.0.0.1', port: 0 }] = service.addresses
const url = `http://${formatListenAddress(address)}`

const running = runningOrigins(origins)
const lines = [
  `middlemile listens on ${url}, HTTP/1.1 or HTTP/2, in front of ${running.length} origins over TLS:`,
  '',
]
for (const { name, port } of running) {
  lines.push(`  ${name.padEnd(11)} https://localhost:${port}, ${DEMO_ORIGINS[name]}`)
  lines.push(`              curl -i -H 'Host: ${hostOf(name)}' ${url}/`)
}
if (origins.withoutHttp3 !== undefined) lines.push(`  quic        left out: ${origins.withoutHttp3}`)
lines.push('', `  more paths: /bytes/1000000 /echo /trailers /informational /drip /status/404`)
if (service.adminAddress !== undefined) {
  lines.push(
    `  admin:      curl http://${formatListenAddress(service.adminAddress)}/pools  (also /metrics, /healthz)`,
  )
}
lines.push('', 'Ctrl-C drains and ends.', '')
if (notice !== undefined) lines.unshift(notice)
process.stdout.write(`${lines.join('\n')}\n`)

const summary = new LiveSummary(process.stdout, () => summarize(service.stats()))

let isStopping = false
async function stop(exitCode: number): Promise<void> {
  // Whoever asks twice does not want to wait.
  if (isStopping) process.exit(1)
  isStopping = true
  summary.stop()
  origins.child.off('exit', onOriginsEnded)
  await service.drain()
  await service.close()
  await origins.stop()
  process.exit(exitCode)
}

function onOriginsEnded(): void {
  process.stderr.write('the demo origins ended\n')
  void stop(1)
}

origins.child.once('exit', onOriginsEnded)
process.on('SIGINT', () => void stop(0))
process.on('SIGTERM', () => void stop(0))
