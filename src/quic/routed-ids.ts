import { randomBytes } from 'node:crypto'

/**
 * Several processes serve QUIC on one address, each with a socket of its own (SO_REUSEPORT), numbered in the
 * order in which they were bound. By default the kernel picks one by the addresses of a packet, so that a
 * client that moves would reach another process, and one that ends would take the others' clients with it.
 * Here the connection id tells the number, and a program in the kernel reads it (RFC 9000 5.1 leaves the form
 * of an id to who gives it out; QUIC-LB, draft-ietf-quic-load-balancers, does the same for machines).
 *
 * An id of 16 bytes: random(4), the same by exclusive or with `mark`(4), number by exclusive or with the
 * first byte(1), random(7). The ids that clients make up for their first packets pass for one of ours once in
 * 2^32.
 */
export const ROUTED_ID_BYTES = 16

/** The socket of a process among all of an address. */
export interface IdRoute {
  /** What tells ids of this address from others: 32 random bits. */
  readonly mark: number
  /** The number of the socket, from 0. */
  readonly socket: number
}

/** As many as a byte can number. */
export const MAX_ROUTED_SOCKETS = 256

/** An id that leads to this socket. */
export function newRoutedId({ mark, socket }: IdRoute): Buffer {
  const id = randomBytes(ROUTED_ID_BYTES)
  id.writeUInt32BE((id.readUInt32BE(0) ^ mark) >>> 0, 4)
  id[8] = (id[0] as number) ^ socket // 16 bytes are there
  return id
}

/** The number of the socket that the id leads to; undefined: it is none of this address. */
export function socketOfId(id: Buffer, mark: number): number | undefined {
  if (id.length !== ROUTED_ID_BYTES) return undefined
  if ((id.readUInt32BE(0) ^ id.readUInt32BE(4)) >>> 0 !== mark >>> 0) return undefined
  return (id[0] as number) ^ (id[8] as number) // 16 bytes are there
}

export interface Steering {
  readonly mark: number
  /** How many sockets there are. */
  readonly sockets: number
  /** The numbers of those that take new connections: at least one. */
  readonly targets: readonly number[]
}

/** linux/bpf_common.h */
const LD_BYTE = 0x30
const LD_WORD = 0x20
const TO_X = 0x07
const XOR_X = 0xac
const MODULO = 0x94
const RETURN_A = 0x16
const RETURN = 0x06
const IF_EQUAL = 0x15
const IF_AT_LEAST = 0x35
const IF_BITS = 0x45
const JUMP = 0x05

/** RFC 8999 5.1: where the connection id begins in packets with a long and with a short header. */
const LONG_ID_AT = 6
const SHORT_ID_AT = 1
const LONG_ID_LENGTH_AT = 5
const LONG_HEADER = 0x80

type Instruction = readonly [code: number, ifTrue: number, ifFalse: number, operand: number]

/**
 * The program for SO_ATTACH_REUSEPORT_CBPF (socket(7)): struct sock_filter, eight bytes each. It sees a
 * datagram from its first byte on and returns the number of a socket. What bears none of our ids goes to one
 * of `targets` by its connection id, so that repetitions of a first packet stay together. A load behind the
 * end of a datagram ends the program with 0: no packet is so short.
 */
export function steeringProgram({ mark, sockets, targets }: Steering): Buffer {
  // The choice of a target, by a word in A.
  const chosen: Instruction[] = targets.slice(0, -1).flatMap((socket, index): Instruction[] => [
    [IF_EQUAL, 0, 1, index],
    [RETURN, 0, 0, socket],
  ])
  const choice: Instruction[] = [
    [MODULO, 0, 0, targets.length],
    ...chosen,
    [RETURN, 0, 0, targets.at(-1) ?? 0],
  ]
  const newConnection = (idAt: number): Instruction[] => [[LD_WORD, 0, 0, idAt], ...choice]
  // What is no id of ours goes on behind it.
  const known = (idAt: number): Instruction[] => [
    [LD_WORD, 0, 0, idAt],
    [TO_X, 0, 0, 0],
    [LD_WORD, 0, 0, idAt + 4],
    [XOR_X, 0, 0, 0],
    [IF_EQUAL, 0, 6, mark >>> 0],
    [LD_BYTE, 0, 0, idAt],
    [TO_X, 0, 0, 0],
    [LD_BYTE, 0, 0, idAt + 8],
    [XOR_X, 0, 0, 0],
    [IF_AT_LEAST, 1, 0, sockets],
    [RETURN_A, 0, 0, 0],
  ]
  const short = [...known(SHORT_ID_AT), ...newConnection(SHORT_ID_AT)]
  const long: Instruction[] = [
    [LD_BYTE, 0, 0, LONG_ID_LENGTH_AT],
    [IF_EQUAL, 0, known(LONG_ID_AT).length, ROUTED_ID_BYTES],
    ...known(LONG_ID_AT),
    ...newConnection(LONG_ID_AT),
  ]
  // A conditional jump reaches 255 instructions: the unconditional one in between reaches all.
  const program: Instruction[] = [
    [LD_BYTE, 0, 0, 0],
    [IF_BITS, 1, 0, LONG_HEADER],
    [JUMP, 0, 0, long.length],
    ...long,
    ...short,
  ]
  const bytes = Buffer.alloc(program.length * 8)
  for (const [index, [code, ifTrue, ifFalse, operand]] of program.entries()) {
    const view = new DataView(bytes.buffer, bytes.byteOffset + index * 8, 8)
    view.setUint16(0, code, IS_LITTLE_ENDIAN)
    view.setUint8(2, ifTrue)
    view.setUint8(3, ifFalse)
    view.setUint32(4, operand, IS_LITTLE_ENDIAN)
  }
  return bytes
}

/** The structures of the kernel are those of the machine. */
const IS_LITTLE_ENDIAN = new Uint8Array(Uint16Array.of(1).buffer)[0] === 1
