// What tests, their servers and vitest write, which is no result: a file has it.
import { mkdirSync, openSync, writeSync } from 'node:fs'
import { dirname } from 'node:path'
import { Writable } from 'node:stream'

/** A test that writes without end fills no disk. */
const MAX_BYTES = 16 * 1024 * 1024

export class KeptOutput extends Writable {
  path
  bytes = 0
  #descriptor

  constructor(path) {
    super({ decodeStrings: true })
    this.path = path
    mkdirSync(dirname(path), { recursive: true })
    this.#descriptor = openSync(path, 'w')
  }

  _write(chunk, _encoding, done) {
    this.bytes += chunk.length
    if (this.bytes <= MAX_BYTES) writeSync(this.#descriptor, chunk)
    done()
  }

  /** The pipe of a worker that has ended would end it for the others. */
  end() {
    return this
  }
}
