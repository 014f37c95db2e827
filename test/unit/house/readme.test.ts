import { readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { ERROR_CODES } from '../../../src/errors.ts'
import { optionsTable } from '../../support/options-table.ts'

const path = fileURLToPath(new URL('../../../README.md', import.meta.url))

describe('README.md', () => {
  // UPDATE_README=1 npm test -- test/unit/house/readme.test.ts writes both.
  it.each([
    ['options', optionsTable()],
    ['errors', errorsTable()],
  ])('has the table of %s as the source has it', (name, table) => {
    const readme = readFileSync(path, 'utf8')
    const [begin, end] = [`<!-- ${name}: made from the source -->`, `<!-- end of ${name} -->`]
    expect(readme).toContain(begin)
    if (process.env['UPDATE_README'] !== undefined) {
      const before = readme.slice(0, readme.indexOf(begin) + begin.length)
      writeFileSync(path, `${before}\n${table}\n${readme.slice(readme.indexOf(end))}`)
    }
    const text = readFileSync(path, 'utf8')
    expect(text.slice(text.indexOf(begin) + begin.length, text.indexOf(end)).trim()).toBe(table)
  })
})

function errorsTable(): string {
  const rows = Object.entries(ERROR_CODES).map(
    ([code, { fault, status, proxyStatus, hint }]) =>
      `| \`${code}\` | ${fault} | ${status} | \`${proxyStatus}\` | ${hint} |`,
  )
  return [
    '| code | fault | status | Proxy-Status | what to check or tune |',
    '|---|---|---|---|---|',
    ...rows,
  ].join('\n')
}
