import type { TransportParameters } from './transport-parameters.ts'

/**
 * What goes through the HANDSHAKE frames: JSON behind its length. There is no cryptography: the server's
 * certificate is shown and not verified, and a ticket is sealed with nothing but the name of its key.
 */
export type HandshakeMessage =
  | {
      readonly type: 'client-hello'
      readonly serverName: string
      readonly protocols: readonly string[]
      readonly parameters: TransportParameters
      /** The server's part of a ticket. */
      readonly sealed?: SealedTicket | undefined
      readonly offersEarlyData: boolean
    }
  | {
      readonly type: 'server-hello'
      readonly protocol: string
      readonly parameters: TransportParameters
      readonly isResumed: boolean
      readonly acceptsEarlyData: boolean
      /** Base64 of the DER; none when resumed. */
      readonly certificates: readonly string[]
    }
  | { readonly type: 'finished' }
  | { readonly type: 'ticket'; readonly sealed: SealedTicket; readonly allowsEarlyData: boolean }

/** What the server finds again in a ticket of its own. */
interface SealedTicket {
  readonly key: string
  readonly protocol: string
  readonly parameters: TransportParameters
}

/** What the client keeps (RFC 9001 4.6: the limits with it). */
export interface ClientTicket {
  readonly engine: string
  readonly sealed: SealedTicket
  readonly allowsEarlyData: boolean
  readonly certificates: readonly string[]
}

export function encodeMessage(message: HandshakeMessage): Buffer {
  const text = Buffer.from(JSON.stringify(message))
  const length = Buffer.alloc(4)
  length.writeUInt32BE(text.length)
  return Buffer.concat([length, text])
}

/** Puts messages together from pieces. A message has at most 64 KiB. */
export class MessageReader {
  #bytes = Buffer.alloc(0)

  /** Throws RangeError for a message that is too long, SyntaxError for one that is none. */
  push(bytes: Buffer): HandshakeMessage[] {
    this.#bytes = Buffer.concat([this.#bytes, bytes])
    const messages: HandshakeMessage[] = []
    while (this.#bytes.length >= 4) {
      const end = 4 + this.#bytes.readUInt32BE(0)
      if (end > 65_540) throw new RangeError('a handshake message above 64 KiB')
      if (this.#bytes.length < end) break
      // The other side is this engine too, and the checksum of the packet held.
      messages.push(JSON.parse(this.#bytes.toString('utf8', 4, end)) as HandshakeMessage) // as: see above
      this.#bytes = this.#bytes.subarray(end)
    }
    return messages
  }
}

export function encodeTicket(ticket: ClientTicket): Buffer {
  return Buffer.from(JSON.stringify(ticket))
}

/** Undefined: it is not one of ours, and is not used. */
export function decodeTicket(bytes: Buffer | undefined, engine: string): ClientTicket | undefined {
  if (bytes === undefined) return undefined
  try {
    const ticket = JSON.parse(bytes.toString()) as Partial<ClientTicket> | null // as: checked below, as far as it is used
    if (ticket?.engine !== engine || ticket.sealed === undefined || ticket.certificates === undefined)
      return undefined
    const { sealed, certificates, allowsEarlyData = false } = ticket
    return { engine, sealed, certificates, allowsEarlyData }
  } catch {
    return undefined
  }
}

/** The DER of each certificate of a PEM text, in base64. */
export function certificatesOf(pem: string): string[] {
  const blocks = pem.matchAll(/-----BEGIN CERTIFICATE-----([^-]*)-----END CERTIFICATE-----/g)
  return [...blocks].map(([, body = '']) => body.replaceAll(/\s/g, ''))
}
