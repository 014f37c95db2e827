import { closeSync, mkdtempSync, openSync, readSync, rmdirSync, rmSync, unlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const READ_BYTES = 4096
/** A line is about 180 bytes; what has no end after this is none. */
const MAX_LINE_BYTES = 4096

/**
 * The secrets of one connection, line by line. The binding writes them into a file that it creates itself and
 * nowhere else, so it gets one in a directory that nobody else can enter. Where the system allows it the name
 * is gone before the first secret is written: both ends live on as open files, and a crash leaves nothing
 * behind.
 */
export class KeylogFile {
  readonly #directory: string
  readonly #path: string
  readonly #descriptor: number
  readonly #onLine: (line: Buffer) => void
  #rest: Buffer = Buffer.alloc(0)
  #isNamed = true
  #isOpen = true

  /** `attach` makes the binding create the file. Throws what the file system throws. */
  constructor(attach: (path: string) => void, onLine: (line: Buffer) => void) {
    this.#directory = mkdtempSync(join(tmpdir(), 'middlemile-keylog-')) // 0700
    this.#path = join(this.#directory, 'keys')
    this.#onLine = onLine
    try {
      attach(this.#path)
      this.#descriptor = openSync(this.#path, 'r')
    } catch (error) {
      rmSync(this.#directory, { recursive: true, force: true })
      throw error
    }
    this.#removeName()
  }

  /** Hands over the lines that have come since. */
  read(): void {
    const block = Buffer.allocUnsafe(READ_BYTES)
    while (this.#isOpen) {
      const bytes = readSync(this.#descriptor, block, 0, block.length, null)
      if (bytes === 0) return
      this.#take(Buffer.concat([this.#rest, block.subarray(0, bytes)]))
    }
  }

  /** Reads what is left and lets go of the file. */
  close(): void {
    if (!this.#isOpen) return
    this.read()
    this.#isOpen = false
    closeSync(this.#descriptor)
    if (this.#isNamed) rmSync(this.#directory, { recursive: true, force: true })
  }

  #take(text: Buffer): void {
    let start = 0
    for (let end = text.indexOf(0x0a); end !== -1; end = text.indexOf(0x0a, start)) {
      this.#onLine(text.subarray(start, end + 1))
      start = end + 1
    }
    this.#rest = text.length - start > MAX_LINE_BYTES ? Buffer.alloc(0) : text.subarray(start)
  }

  /** Windows keeps the name while the file is open: there it goes with close(). */
  #removeName(): void {
    try {
      unlinkSync(this.#path)
      rmdirSync(this.#directory)
      this.#isNamed = false
    } catch {
      this.#isNamed = true
    }
  }
}
