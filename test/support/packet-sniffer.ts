import { ipv4Text, ipv6Text } from '../../src/base/socket/socket-address.ts'
import { loadFfi } from '../../src/connect/native/load-ffi.ts'

/** A packet of TCP or UDP, as its header says. */
export interface SniffedPacket {
  readonly protocol: 'tcp' | 'udp'
  readonly source: string
  readonly sourcePort: number
  readonly destination: string
  readonly destinationPort: number
  /** RFC 2474. */
  readonly dscp: number
  /** The first one of a connection over TCP. */
  readonly isSyn: boolean
}

export interface PacketSniffer extends Disposable {
  /** What has passed since the last call. On loopback each packet passes twice. */
  read(): SniffedPacket[]
}

const AF_PACKET = 17
/** SOCK_DGRAM | SOCK_NONBLOCK: packets begin with the header of IP. */
const TYPE = 2 | 0o4000
/** htons(ETH_P_ALL). */
const EVERY_PROTOCOL = 0x0300
const HEADER_BYTES = 128
const PROTOCOLS: Readonly<Record<number, 'tcp' | 'udp'>> = { 6: 'tcp', 17: 'udp' }

/**
 * All packets of the network namespace that this process is in (packet(7)). Takes root: see
 * requireNamespaces().
 */
export function sniffPackets(): PacketSniffer {
  const loaded = loadFfi()
  if ('unavailable' in loaded) throw new Error(loaded.unavailable)
  const libc = loaded.ffi.load(null)
  const receive = libc.func('intptr_t recv(int fd, void *into, size_t length, int flags)')
  const close = libc.func('int close(int fd)')
  const fd = libc.func('int socket(int family, int type, int protocol)')(AF_PACKET, TYPE, EVERY_PROTOCOL)
  if (typeof fd !== 'number' || fd < 0) throw new Error(`no packets can be read: errno ${loaded.ffi.errno()}`)
  const header = Buffer.alloc(HEADER_BYTES)
  return {
    read() {
      const packets: SniffedPacket[] = []
      for (;;) {
        const length = Number(receive(fd, header, HEADER_BYTES, 0))
        if (length < 0) return packets
        const packet = parse(header.subarray(0, length))
        if (packet !== undefined) packets.push(packet)
      }
    },
    [Symbol.dispose]: () => void close(fd),
  }
}

function parse(bytes: Buffer): SniffedPacket | undefined {
  const version = (bytes[0] ?? 0) >> 4
  if (version === 4 && bytes.length >= 20) {
    const at = ((bytes[0] ?? 0) & 0x0f) * 4
    const [source, destination] = [ipv4Text(bytes, 12), ipv4Text(bytes, 16)]
    return parsePorts(bytes, at, bytes[9] ?? 0, { source, destination, dscp: (bytes[1] ?? 0) >> 2 })
  }
  if (version !== 6 || bytes.length < 40) return undefined
  const [source, destination] = [ipv6Text(bytes, 8), ipv6Text(bytes, 24)]
  const dscp = (bytes.readUInt16BE(0) >> 6) & 0x3f
  return parsePorts(bytes, 40, bytes[6] ?? 0, { source, destination, dscp })
}

function parsePorts(
  bytes: Buffer,
  at: number,
  number: number,
  header: Pick<SniffedPacket, 'source' | 'destination' | 'dscp'>,
): SniffedPacket | undefined {
  const protocol = PROTOCOLS[number]
  if (protocol === undefined || bytes.length < at + 14) return undefined
  const isSyn = protocol === 'tcp' && ((bytes[at + 13] ?? 0) & 0x12) === 0x02
  const [sourcePort, destinationPort] = [bytes.readUInt16BE(at), bytes.readUInt16BE(at + 2)]
  return { ...header, protocol, sourcePort, destinationPort, isSyn }
}
