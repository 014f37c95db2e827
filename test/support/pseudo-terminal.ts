import { type ChildProcessByStdio, spawn } from 'node:child_process'
import type { Readable, Writable } from 'node:stream'
import { onProcessExit } from './cleanup.ts'
import { deathSignalPrefix } from './real-server.ts'
import { findBinary, requireBinary } from './require-binary.ts'

/** Why there is no pseudo-terminal here, or undefined. */
export function requirePseudoTerminal(): string | undefined {
  return requireBinary('python3')
}

export interface TerminalSize {
  readonly columns: number
  readonly rows?: number
}

/** A program at a terminal, as a person runs it. */
export interface TerminalSession extends AsyncDisposable {
  /** Everything that it wrote, escape sequences included. */
  readonly output: string
  /** The rows that a person would see, those that have scrolled away included. */
  screen(): string[]
  /** Keys: '\x03' is Ctrl-C. */
  type(keys: string): void
  /** As when somebody drags the corner of the window: the program gets SIGWINCH. */
  resize(size: TerminalSize): void
  /** Waits until the output matches. */
  untilOutput(pattern: RegExp, timeoutMs?: number): Promise<RegExpExecArray>
  /** Of the program; 128 and its number for a signal. */
  readonly exited: Promise<number>
}

/** Node opens no pseudo-terminals; Python's standard library does. The size stands before the program begins. */
const PYTHON = `
import fcntl, os, pty, select, struct, sys, termios
def size(fd, columns, rows):
    fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack('HHHH', rows, columns, 0, 0))
pid, fd = pty.fork()
if pid == 0:
    size(0, int(sys.argv[1]), int(sys.argv[2]))
    os.execvp(sys.argv[3], sys.argv[3:])
commands, isOpen = b'', True
while True:
    ready = select.select([fd, 0] if isOpen else [fd], [], [])[0]
    if fd in ready:
        try:
            data = os.read(fd, 65536)
        except OSError:
            break
        if not data:
            break
        os.write(1, data)
    if 0 in ready:
        data = os.read(0, 65536)
        isOpen = len(data) > 0
        commands += data
        while b'\\n' in commands:
            line, commands = commands.split(b'\\n', 1)
            if line[:5] == b'type ':
                os.write(fd, bytes.fromhex(line[5:].decode()))
            else:
                columns, rows = line[7:].split()
                size(fd, int(columns), int(rows))
status = os.waitpid(pid, 0)[1]
sys.exit(os.WEXITSTATUS(status) if os.WIFEXITED(status) else 128 + os.WTERMSIG(status))
`

/**
 * Runs a command line at a pseudo-terminal of this size. Ends with the test's process, and when it is
 * disposed of.
 */
export function atTerminal(
  line: readonly string[],
  { columns, rows = 40 }: TerminalSize,
  options: { readonly env?: Readonly<Record<string, string>>; readonly cwd?: string } = {},
): TerminalSession {
  const python = findBinary('python3')
  if (python === undefined) throw new Error(requirePseudoTerminal())
  const arguments_ = [python, '-c', PYTHON, String(columns), String(rows), ...line]
  const [command = python, ...rest] = [...deathSignalPrefix(), ...arguments_]
  const { NO_COLOR: _, CI: _ci, ...inherited } = process.env // Node takes `CI` for a place without colors
  const child = spawn(command, rest, {
    stdio: ['pipe', 'pipe', 'inherit'],
    env: { ...inherited, TERM: 'xterm-256color', ...options.env },
    ...(options.cwd !== undefined && { cwd: options.cwd }),
  })
  return new Session(child, columns)
}

class Session implements TerminalSession {
  readonly exited: Promise<number>
  readonly #child: ChildProcessByStdio<Writable, Readable, null>
  #columns: number
  #hasEnded = false
  output = ''

  constructor(child: ChildProcessByStdio<Writable, Readable, null>, columns: number) {
    this.#child = child
    this.#columns = columns
    child.stdout.setEncoding('utf8').on('data', (text: string) => (this.output += text))
    child.stdin.on('error', () => undefined) // the program has ended: `exited` says so
    const forget = onProcessExit(() => child.kill('SIGKILL'))
    this.exited = new Promise((resolve, reject) => {
      child.once('error', reject)
      child.once('close', code => {
        forget()
        this.#hasEnded = true
        resolve(code ?? -1)
      })
    })
  }

  screen(): string[] {
    return screenRows(this.output, this.#columns)
  }

  type(keys: string): void {
    this.#child.stdin.write(`type ${Buffer.from(keys).toString('hex')}\n`)
  }

  resize({ columns, rows = 40 }: TerminalSize): void {
    this.#columns = columns
    this.#child.stdin.write(`resize ${columns} ${rows}\n`)
  }

  async untilOutput(pattern: RegExp, timeoutMs = 30_000): Promise<RegExpExecArray> {
    const deadline = performance.now() + timeoutMs
    while (performance.now() < deadline) {
      const isOver = this.#hasEnded
      const match = pattern.exec(this.output)
      if (match !== null) return match
      if (isOver) throw new Error(`it ended without ${pattern}:\n${this.output}`)
      await new Promise(resolve => setTimeout(resolve, 10))
    }
    throw new Error(`no ${pattern} within ${timeoutMs} ms:\n${this.output}`)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // Its end closes the terminal, and the program gets SIGHUP.
    if (!this.#hasEnded) this.#child.kill('SIGKILL')
    await this.exited
  }
}

/** Text, a control character, or an escape sequence with its parameter and its letter. */
const TOKENS = /\p{Cc}\[(\??[\d;]*)([A-Za-z])|([\r\n])|(\P{Cc}+)/gu

/**
 * What a terminal of this width shows of a text, without blanks at the ends of rows: lines wrap, `\r` goes
 * back, CSI A goes up, and CSI K and J erase. Styles are left out.
 */
export function screenRows(text: string, columns: number): string[] {
  const rows: string[][] = [[]]
  let row = 0
  let column = 0
  const put = (character: string): void => {
    if (column === columns) {
      row++
      column = 0
    }
    const cells = (rows[row] ??= [])
    while (cells.length < column) cells.push(' ')
    cells[column++] = character
  }
  for (const [, parameter = '', letter, control, plain = ''] of text.matchAll(TOKENS)) {
    if (control === '\r') column = 0
    else if (control === '\n') {
      row++
      rows[row] ??= []
    } else if (letter === 'A') row = Math.max(0, row - Number(parameter || 1))
    else if (letter === 'K') rows[row] = parameter === '2' ? [] : (rows[row] ?? []).slice(0, column)
    else if (letter === 'J') {
      rows.length = row + 1
      rows[row] = (rows[row] ?? []).slice(0, column)
    }
    for (const character of plain) put(character)
  }
  return Array.from(rows, cells => (cells ?? []).join('').trimEnd())
}
