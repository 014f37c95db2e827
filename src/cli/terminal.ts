/** Where a command writes: process.stdout or process.stderr, or what stands in for it. */
export interface OutputStream {
  readonly isTTY?: boolean | undefined
  readonly columns?: number | undefined
}

/** What a screen can show. A pipe and a file are no terminal: nothing is colored there, or rewritten. */
export interface Screen {
  readonly isTerminal: boolean
  /** As wide as it is now; 80 where nobody knows. */
  readonly columns: number
  /** A line can be written over: not where a terminal calls itself dumb. */
  readonly canRewrite: boolean
  /** Puts text into a style, where there are colors. */
  paint(style: Style, text: string): string
}

/** Codes of ECMA-48, Select Graphic Rendition. */
const STYLES = { bold: 1, dim: 2, red: 31, green: 32, yellow: 33, cyan: 36 } as const
export type Style = keyof typeof STYLES

const DEFAULT_COLUMNS = 80

/**
 * The screen behind a stream. `NO_COLOR` with any value turns colors off (no-color.org), and so does a
 * terminal that calls itself dumb.
 */
export function screenOf(stream: OutputStream, env: NodeJS.ProcessEnv = process.env): Screen {
  const isTerminal = stream.isTTY === true
  const isColored = isTerminal && (env['NO_COLOR'] ?? '') === '' && env['TERM'] !== 'dumb'
  return {
    isTerminal,
    canRewrite: isTerminal && env['TERM'] !== 'dumb',
    get columns() {
      // A pseudo-terminal that nobody gave a size says 0.
      return isTerminal && stream.columns ? stream.columns : DEFAULT_COLUMNS
    },
    paint: (style, text) => (isColored && text !== '' ? `\x1b[${STYLES[style]}m${text}\x1b[0m` : text),
  }
}

/** For what is not shown on a terminal. */
export const PLAIN_SCREEN: Screen = screenOf({}, {})

/** One line at the end of a terminal that says how far a command is. Elsewhere it writes nothing. */
export class ProgressLine {
  readonly #screen: Screen
  readonly #write: (text: string) => void
  #isShown = false

  constructor(screen: Screen, write: (text: string) => void) {
    this.#screen = screen
    this.#write = write
  }

  /** In place of what it said before, cut where the line ends. */
  show(text: string): void {
    if (!this.#screen.canRewrite) return
    this.#isShown = true
    // The last column stays free: some terminals begin a new line when it is filled.
    this.#write(`\r${this.#screen.paint('dim', harmless(text).slice(0, this.#screen.columns - 1))}\x1b[K`)
  }

  /** Before anything else is written. */
  clear(): void {
    if (this.#isShown) this.#write('\r\x1b[K')
    this.#isShown = false
  }
}

/**
 * Names and reasons come from strangers: none of them moves the cursor of a terminal, or rings its bell.
 */
export function harmless(text: string): string {
  return text.replaceAll(/\p{Cc}/gu, '?')
}
