import { createCipheriv, createDecipheriv, createHash } from 'node:crypto'
import type { Clock, Timer } from '../base/clock.ts'
import { decodeKeptTickets, encodeKeptTickets, type KeptTicket } from './kept-tickets.ts'
import type { StateStore } from './store.ts'
import type { TicketHolder, TicketKeeper } from './ticket-store.ts'

/**
 * A record as it lies in a store that others may have had their hands on: AES-256-GCM under our key. The name
 * of the record is authenticated with it, so that a record that was moved to another name (the tickets of one
 * peer to another, which would skip the check of its certificate) does not open.
 *
 * Layout: magic and version (4), nonce (12), ciphertext, tag (16).
 */
const MAGIC = Buffer.from('mms1', 'latin1')
const NONCE_BYTES = 12
const TAG_BYTES = 16
const HEAD_BYTES = MAGIC.length + NONCE_BYTES

/** `nonce`: 12 random bytes, new ones each time. NIST SP 800-38D 8.3 allows 2^32 of them under one key. */
export function seal(key: Buffer, name: string, plain: Buffer, nonce: Buffer): Buffer {
  const cipher = createCipheriv('aes-256-gcm', key, nonce, { authTagLength: TAG_BYTES })
  cipher.setAAD(associated(name))
  const sealed = [MAGIC, nonce, cipher.update(plain), cipher.final()]
  return Buffer.concat([...sealed, cipher.getAuthTag()])
}

/** Undefined for whatever is not exactly what seal() made with this key and name. */
export function unseal(key: Buffer, name: string, record: Buffer): Buffer | undefined {
  if (record.length < HEAD_BYTES + TAG_BYTES || !record.subarray(0, MAGIC.length).equals(MAGIC))
    return undefined
  const tagAt = record.length - TAG_BYTES
  const nonce = record.subarray(MAGIC.length, HEAD_BYTES)
  const decipher = createDecipheriv('aes-256-gcm', key, nonce, { authTagLength: TAG_BYTES })
  decipher.setAAD(associated(name))
  decipher.setAuthTag(record.subarray(tagAt))
  try {
    return Buffer.concat([decipher.update(record.subarray(HEAD_BYTES, tagAt)), decipher.final()])
  } catch {
    return undefined // the tag does not fit: another key or name, or somebody changed it
  }
}

function associated(name: string): Buffer {
  return Buffer.from(`${MAGIC.toString('latin1')} ${name}`, 'utf8')
}

export interface TicketVaultConfig {
  readonly store: StateStore
  readonly clock: Clock
  readonly maxPeers: number
  /**
   * What the tickets depend on beside their peer, and a process keeps for its life: they are found again
   * under the same only.
   */
  readonly context: string
  readonly randomBytes: (count: number) => Buffer
  /** The store cannot be used, or what is in it is not ours. For people; the tickets concerned are gone. */
  readonly onFault: (message: string) => void
}

/** How long a change may wait for others before it is written: what a crash loses. */
const WRITE_DELAY_MS = 250

/**
 * So many records may be written before those beyond the limit are looked for again: the search reads the
 * whole directory.
 */
const WRITES_PER_PRUNE = 256

/**
 * Tickets that outlive the process: sealed records in a store, one per peer. What is in the store is the
 * truth: a ticket that lies there is taken out of it before it is used, so that of several processes one gets
 * it, and none gets it twice.
 */
export class SealedTicketStore implements TicketKeeper {
  readonly #config: TicketVaultConfig
  readonly #changed = new Set<string>()
  #holder: TicketHolder | undefined
  #key: Buffer | undefined
  #timer: Timer | undefined
  #writesLeft = 0
  #lastFault: string | undefined

  constructor(config: TicketVaultConfig) {
    this.#config = config
  }

  onBound(holder: TicketHolder): void {
    this.#holder = holder
  }

  claim(peer: string): readonly KeptTicket[] | undefined {
    return this.#try('read', () => {
      const name = this.#nameOf(peer)
      const key = this.#sealingKey() // before the record is taken away: without a key nothing is lost
      const record = this.#config.store.claim(name)
      if (record === undefined) return []
      const plain = unseal(key, name, record)
      const tickets = plain === undefined ? undefined : decodeKeptTickets(plain)
      if (tickets === undefined) throw new Error('a record is not ours, or was changed: it is thrown away')
      return tickets
    })
  }

  onChanged(peer: string): void {
    this.#changed.add(peer)
    this.#timer ??= this.#config.clock.setTimer(WRITE_DELAY_MS, () => this.flush())
  }

  forget(peer: string): void {
    this.#changed.delete(peer)
    this.#try('written', () => this.#config.store.remove(this.#nameOf(peer)))
  }

  forgetAll(): void {
    this.#changed.clear()
    this.#try('written', () => this.#config.store.prune(0))
  }

  /** Writes what has changed. */
  flush(): void {
    this.#timer?.cancel()
    this.#timer = undefined
    const peers = [...this.#changed]
    this.#changed.clear()
    for (const peer of peers) this.#write(peer)
  }

  #write(peer: string): void {
    const tickets = this.#holder?.collect(peer) ?? []
    if (tickets.length === 0) return // what was there was claimed by collecting it
    const { store, maxPeers, randomBytes } = this.#config
    this.#try('written', () => {
      const name = this.#nameOf(peer)
      store.write(name, seal(this.#sealingKey(), name, encodeKeptTickets(tickets), randomBytes(12)))
      this.#holder?.onKept(peer)
      this.#writesLeft -= 1
      if (this.#writesLeft > 0) return
      this.#writesLeft = WRITES_PER_PRUNE
      store.prune(maxPeers)
    })
  }

  #nameOf(peer: string): string {
    return createHash('sha256')
      .update(JSON.stringify([this.#config.context, peer]))
      .digest('base64url')
  }

  #sealingKey(): Buffer {
    this.#key ??= this.#config.store.key()
    return this.#key
  }

  /** A fault that stays is reported once, not with each connection. */
  #try<T>(verb: 'read' | 'written', work: () => T): T | undefined {
    try {
      const result = work()
      this.#lastFault = undefined
      return result
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error)
      if (reason !== this.#lastFault) this.#config.onFault(`kept tickets cannot be ${verb}: ${reason}`)
      this.#lastFault = reason
      return undefined
    }
  }
}
