/**
 * A version of a piece of a read that may be kept. Node allocates the memory of each read of an accepted
 * socket for it alone, so that nobody writes to it again; but a small piece would hold all of the read, up to
 * 64 KB for a byte.
 */
export function keepRead(piece: Buffer): Buffer {
  return piece.length * 4 < piece.buffer.byteLength ? Buffer.from(piece) : piece
}
