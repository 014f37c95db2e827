import { type Decision, type Explanation, parseOrigin } from '../index.ts'
import type { Command } from './command.ts'
import { EXIT } from './command.ts'
import { CONNECTION_HELP, CONNECTION_OPTIONS, connectionOptions } from './connection-options.ts'
import { parseOptions, usageError } from './parse-options.ts'
import { harmless, type Screen } from './terminal.ts'
import { screenTable, screenText } from './text-table.ts'

const HELP = `Usage: middlemile explain [options] URL

Which protocol and address would be tried, in which order, when, and because of
which evidence. With --state it knows what earlier runs learned of the origin.

${CONNECTION_HELP}  --json                the same as JSON
`

export const explainCommand: Command = {
  help: HELP,
  async run(args, io) {
    const { values, positionals } = parseOptions(args, {
      ...CONNECTION_OPTIONS,
      json: { type: 'boolean' },
    })
    const [url, extra] = positionals
    if (url === undefined || extra !== undefined) throw usageError('explain needs exactly one URL')
    parseOrigin(url)
    const transport = io.createTransport({
      ...connectionOptions(values, [url]),
      observer: event => {
        if (event.type === 'state-fault') io.writeError(`middlemile explain: warning: ${event.message}\n`)
      },
    })
    try {
      const explanation = await transport.explain(url)
      if (values.json) io.write(`${JSON.stringify(explanation)}\n`)
      else {
        const note = values.state === undefined ? NOTHING_KNOWN : ''
        io.write(explanationText(explanation, note, io.screen))
      }
    } finally {
      await transport.close()
    }
    return EXIT.ok
  },
}

/** Without a state directory nobody has looked: what follows is what would be tried all the same. */
const NOTHING_KNOWN = `Nothing is known of this origin yet: explain sends no request, and remembers none without --state.
middlemile get --state DIR URL learns; middlemile explain --state DIR URL says what.
`

type Section = (title: string, rows: readonly (readonly string[])[]) => string

function explanationText(explanation: Explanation, note: string, screen: Screen): string {
  const { origin, decision, protocols, plan, known, unavailable, savings, pool } = explanation
  const section: Section = (title, rows) => {
    if (rows.length === 0) return ''
    const cells = rows.map(([first = '', ...rest]) => [` ${first}`, ...rest].map(harmless))
    return `${screen.paint('bold', title)}\n${screenTable(cells, screen)}`
  }
  const sections = [
    `${origin}\n`,
    screenText(note, screen),
    ...decisionSections(decision, section),
    section(
      'Protocols',
      protocols.map(({ protocol, allowed, because }) => [protocol, allowed ? 'tried' : 'not tried', because]),
    ),
    section(
      'Plan',
      plan.map(({ lane, protocol, endpoint, startAfterMs, because }) => [
        `after ${Math.round(startAfterMs)} ms`,
        lane,
        protocol,
        endpoint,
        because,
      ]),
    ),
    section(
      'Known',
      known.map(({ fact, evidence }) => [fact, evidence]),
    ),
    section(
      'Unavailable',
      unavailable.map(({ feature, because }) => [feature, because]),
    ),
    section(
      'Savings not taken',
      savings.map(({ saving, because }) => [saving, because]),
    ),
    section(
      'Connections',
      (pool?.list ?? []).map(line => [line]),
    ),
  ]
  return sections.filter(text => text !== '').join('\n')
}

/** The choice, what it was made from, and what it hangs on. */
function decisionSections(decision: Decision, section: Section): string[] {
  const { lane, rule, because, candidates, wouldChange } = decision
  const rows = candidates.flatMap(candidate => [
    [
      candidate.lane,
      candidate.protocol,
      candidate.isEligible ? 'eligible' : 'not eligible',
      candidate.predictedMs === undefined ? 'not measured' : `${candidate.predictedMs.toFixed(1)} ms`,
      candidate.cpuMs === undefined ? '' : `CPU ${candidate.cpuMs.toFixed(3)} ms`,
      candidate.because,
    ],
    ...candidate.evidence.map(line => ['', '', '', '', '', `- ${line}`]),
  ])
  return [
    section('Decision', [[lane, rule, because]]),
    section('Candidates', rows),
    section(
      'Would change it',
      wouldChange.map(line => [line]),
    ),
  ]
}
