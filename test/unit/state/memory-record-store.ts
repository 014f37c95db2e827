import type { RecordStore, Sibling } from '../../../src/state/record-store.ts'

interface KeptSibling {
  readonly id: string
  readonly writer: MemoryRecordStore
  content: Buffer | string
}

let nextSerial = 1

/** A record store in memory. Those that share `records` are like processes that share a directory. */
export class MemoryRecordStore implements RecordStore {
  readonly records: Map<string, KeptSibling[]>
  readonly log: string[] = []
  fault: Error | undefined
  /** Called once, between what siblings() has read and what replace() writes. */
  onBetween: (() => void) | undefined

  constructor(records = new Map<string, KeptSibling[]>()) {
    this.records = records
  }

  siblings(name: string): Sibling[] {
    this.#check('siblings')
    const found = (this.records.get(name) ?? []).map(({ id, writer, content }) => ({
      id,
      isOwn: writer === this,
      content,
    }))
    const between = this.onBetween
    this.onBetween = undefined
    between?.()
    return found
  }
  replace(name: string, bytes: Buffer, superseded: readonly string[]): void {
    this.#check('replace')
    this.put(name, bytes)
    const rest = this.records.get(name)!.filter(({ id }) => !superseded.includes(id))
    this.records.set(name, rest)
  }
  /** Adds a sibling, whatever it is. */
  put(name: string, content: Buffer | string): void {
    const added: KeptSibling = { id: `${nextSerial++}`, writer: this, content }
    const before = this.records.get(name) ?? []
    this.records.delete(name) // the written last is the last
    this.records.set(name, [...before, added])
  }
  setAside(name: string, id: string): string | undefined {
    this.#check('setAside')
    const before = this.records.get(name) ?? []
    const rest = before.filter(sibling => sibling.id !== id)
    this.records.set(name, rest)
    return rest.length < before.length ? 'elsewhere' : undefined
  }
  remove(name: string): void {
    this.#check('remove')
    this.records.delete(name)
  }
  prune(count: number): void {
    this.#check(`prune ${count}`)
    for (const name of [...this.records.keys()].slice(0, Math.max(0, this.records.size - count)))
      this.records.delete(name)
  }
  #check(call: string): void {
    if (this.fault !== undefined) throw this.fault
    this.log.push(call)
  }
}
