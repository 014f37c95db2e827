import { readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

/**
 * What users read: README.md, ARCHITECTURE.md, and the pages of docs/ with its decisions. Paths are relative
 * to the project.
 */
export const DOCUMENTS: readonly string[] = [
  'README.md',
  'ARCHITECTURE.md',
  ...readdirSync(fileURLToPath(new URL('../../docs', import.meta.url)), { recursive: true, encoding: 'utf8' })
    .filter(name => name.endsWith('.md'))
    .map(name => `docs/${name}`)
    .sort(),
]

/**
 * Languages of code blocks, and what a test does with each: console: commands behind `$ ` with their output,
 * run, and the output compared line by line; sh: commands, run; yaml: a configuration, read as `serve
 * --check` reads it; ts: a module, type-checked and run; json: parsed; text: a drawing or a part of a log,
 * which nothing can be done with.
 */
export const LANGUAGES = ['console', 'sh', 'yaml', 'ts', 'json', 'text'] as const

/** A block of code between fences. */
export interface CodeBlock {
  readonly page: string
  /** Of its first fence, from 1. */
  readonly line: number
  readonly language: string
  readonly text: string
}

export function readDocument(page: string): string {
  return readFileSync(fileURLToPath(new URL(`../../${page}`, import.meta.url)), 'utf8')
}

export function codeBlocks(page: string): CodeBlock[] {
  const text = readDocument(page)
  return [...text.matchAll(/^```(\w*)\n([\s\S]*?)^```$/gm)].map(
    ({ index, 1: language = '', 2: code = '' }) => ({
      page,
      line: text.slice(0, index).split('\n').length,
      language,
      text: code,
    }),
  )
}

/** A page without its code blocks, tables and headings, by paragraph; an item of a list is one. */
export function paragraphs(page: string): { line: number; lines: string[] }[] {
  const found: { line: number; lines: string[] }[] = []
  let lines: string[] = []
  let isCode = false
  for (const [index, line] of readDocument(page).split('\n').entries()) {
    if (line.startsWith('```')) isCode = !isCode
    const isProse = !isCode && !/^(?:```|\||#|<!--|\s*$)/.test(line)
    if (!isProse || /^(?:\*|\d+\.) /.test(line)) lines = []
    if (!isProse) continue
    if (lines.length === 0) found.push({ line: index + 1, lines })
    lines.push(line)
  }
  return found
}

/** A command of a page, with the lines that the page shows of its output. */
export interface ShownCommand {
  readonly page: string
  readonly line: number
  readonly command: string
  /** Undefined in a block of commands alone. */
  readonly output: readonly string[] | undefined
}

/** The commands of a `console` or `sh` block. */
export function commandsOf({ page, line, language, text }: CodeBlock): ShownCommand[] {
  const lines = text.trimEnd().split('\n')
  if (language === 'sh') {
    return lines.map((command, index) => ({ page, line: line + 1 + index, command, output: undefined }))
  }
  const commands: { page: string; line: number; command: string; output: string[] }[] = []
  for (const [index, text] of lines.entries()) {
    if (text.startsWith('$ '))
      commands.push({ page, line: line + 1 + index, command: text.slice(2), output: [] })
    else commands.at(-1)?.output.push(text)
  }
  return commands
}
