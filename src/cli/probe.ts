import { parseOrigin } from '../index.ts'
import { certificateHint } from './certificate-hint.ts'
import type { Command } from './command.ts'
import { EXIT } from './command.ts'
import {
  CONNECTION_HELP,
  CONNECTION_OPTIONS,
  connectionOptions,
  INSECURE_WARNING,
} from './connection-options.ts'
import { countOption, parseOptions, usageError } from './parse-options.ts'
import { probeText, refusedCertificate } from './probe-text.ts'
import { screenText } from './text-table.ts'

const HELP = `Usage: middlemile probe [options] URL

What an origin can do: addresses, TCP, TLS versions, ALPN, tickets and early data, Alt-Svc and HTTPS records, QUIC and HTTP/3. One HEAD
request is sent, for its Alt-Svc. Exit codes: 0 something answered, 1 nothing did, 2 bad usage.

${CONNECTION_HELP}  --timeout-ms N        for the probe as a whole; default 5000
  --json                the same as JSON
`

export const probeCommand: Command = {
  help: HELP,
  async run(args, io) {
    const { values, positionals } = parseOptions(args, {
      ...CONNECTION_OPTIONS,
      'timeout-ms': { type: 'string' },
      json: { type: 'boolean' },
    })
    const [url, extra] = positionals
    if (url === undefined || extra !== undefined) throw usageError('probe needs exactly one URL')
    const origin = parseOrigin(url)
    const timeoutMs = countOption('timeout-ms', values['timeout-ms'])
    const connection = connectionOptions(values)
    if (timeoutMs !== undefined) {
      connection.defaults.select = { ...connection.defaults.select, probeTimeoutMs: timeoutMs }
    }
    // Its figures are those of the origin, and not of an engine that loads.
    await io.rehearse({ kind: 'probe', isSecure: origin.scheme === 'https', defaults: connection.defaults })
    const transport = io.createTransport({
      ...connection,
      observer: event => {
        if (event.type === 'state-fault') io.writeError(`middlemile probe: warning: ${event.message}\n`)
      },
    })
    if (values.insecure === true) io.writeError(`middlemile probe: warning: ${INSECURE_WARNING}\n`)
    try {
      const report = await transport.probe(url)
      if (values.json) {
        io.write(`${JSON.stringify(report)}\n`)
        return report.isReachable ? EXIT.ok : EXIT.failed
      }
      const refused = refusedCertificate(report)
      const presented = refused && (await io.presentedCertificate(refused.endpoint, origin.host))
      io.write(probeText(report, io.screen, presented))
      const hint = refused && certificateHint(refused.fault)
      if (hint !== undefined) io.writeError(screenText(`middlemile probe: ${hint}\n`, io.errorScreen))
      return report.isReachable ? EXIT.ok : EXIT.failed
    } finally {
      await transport.close()
    }
  },
}
