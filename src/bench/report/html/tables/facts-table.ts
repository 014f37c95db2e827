import type { ResultFile } from '../../../results/result-file.ts'
import { figureText } from '../figure-text.ts'
import { type Markup, markup } from '../markup.ts'

type Fact = readonly [name: string, value: string]

/** What the figures depend on beside the code: the machine, the versions, what was asked for. */
export function factsTables({ startedAt, arguments: given, settings, machine }: ResultFile): Markup {
  const run: readonly Fact[] = [
    ['started at', startedAt],
    ['revision', machine.revision],
    ['arguments', given.length === 0 ? '(none)' : given.join(' ')],
    ...Object.entries(settings).map(([name, value]): Fact => [name, settingText(value)]),
  ]
  const box: readonly Fact[] = [
    ['processor', `${machine.cpuModel}, ${machine.cores} cores`],
    ['memory', `${figureText(machine.memoryGiB)} GiB`],
    ['system', `${machine.distribution}, kernel ${machine.kernel}`],
    ['congestion control', machine.congestionControl],
    ['load at the start', figureText(machine.loadAtStart)],
  ]
  return markup`<div class="facts">${drawFacts('Run and settings', run)}${drawFacts('Machine', box)}${drawFacts('Versions', Object.entries(machine.versions))}</div>
`
}

function drawFacts(caption: string, facts: readonly Fact[]): Markup {
  const rows = facts.map(
    ([name, value]) => markup`<tr><th scope="row">${name}</th><td class="text">${value}</td></tr>\n`,
  )
  return markup`<table><caption>${caption}</caption><tbody>
${rows}</tbody></table>
`
}

function settingText(value: unknown): string {
  if (value === undefined || value === null || value === '') return '-'
  if (Array.isArray(value)) return value.length === 0 ? '(none)' : value.map(settingText).join(', ')
  if (typeof value === 'string') return value
  if (typeof value !== 'object') return JSON.stringify(value) ?? '-'
  return Object.entries(value)
    .map(([name, inner]) => `${name} ${settingText(inner)}`)
    .join(', ')
}
