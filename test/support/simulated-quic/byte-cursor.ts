/** Writes numbers and byte strings one after the other. Throws RangeError when the buffer is full. */
export class ByteWriter {
  readonly #buffer: Buffer
  #at = 0

  constructor(buffer: Buffer) {
    this.#buffer = buffer
  }

  get at(): number {
    return this.#at
  }

  /** Bytes that still fit. */
  get room(): number {
    return this.#buffer.length - this.#at
  }

  byte(value: number): void {
    this.#at = this.#buffer.writeUInt8(value, this.#at)
  }

  word(value: number): void {
    this.#at = this.#buffer.writeUInt32BE(value, this.#at)
  }

  /** RFC 9000 16: the two high bits tell the length. Numbers up to 2^53 - 1. */
  varint(value: number): void {
    if (value < 0x40) this.byte(value)
    else if (value < 0x4000) this.#at = this.#buffer.writeUInt16BE(value | 0x4000, this.#at)
    else if (value < 0x4000_0000) this.word(value + 0x8000_0000)
    else {
      this.word(Math.floor(value / 2 ** 32) + 0xc000_0000)
      this.word(value % 2 ** 32)
    }
  }

  bytes(bytes: Uint8Array): void {
    if (bytes.length > this.room) throw new RangeError(`${bytes.length} bytes do not fit into ${this.room}`)
    this.#buffer.set(bytes, this.#at)
    this.#at += bytes.length
  }

  /** Length and bytes. */
  sized(bytes: Uint8Array): void {
    this.varint(bytes.length)
    this.bytes(bytes)
  }
}

/** Reads what a ByteWriter wrote. Throws RangeError when it is not there. */
export class ByteReader {
  readonly #buffer: Buffer
  readonly #end: number
  #at: number

  constructor(buffer: Buffer, start = 0, end = buffer.length) {
    this.#buffer = buffer
    this.#at = start
    this.#end = end
  }

  get left(): number {
    return this.#end - this.#at
  }

  byte(): number {
    this.#need(1)
    return this.#buffer.readUInt8(this.#at++)
  }

  word(): number {
    this.#need(4)
    this.#at += 4
    return this.#buffer.readUInt32BE(this.#at - 4)
  }

  varint(): number {
    const first = this.byte()
    let value = first & 0x3f
    for (let left = (1 << (first >> 6)) - 1; left > 0; left--) value = value * 256 + this.byte()
    if (!Number.isSafeInteger(value)) throw new RangeError('a number above 2^53')
    return value
  }

  /** A copy, so that the datagram may be used again. */
  bytes(length: number): Buffer {
    this.#need(length)
    this.#at += length
    return Buffer.from(this.#buffer.subarray(this.#at - length, this.#at))
  }

  sized(): Buffer {
    return this.bytes(this.varint())
  }

  #need(bytes: number): void {
    if (bytes > this.left) throw new RangeError(`${bytes} bytes wanted, ${this.left} left`)
  }
}
