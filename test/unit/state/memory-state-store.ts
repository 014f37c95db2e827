import type { StateStore } from '../../../src/state/store.ts'

/** A state store in memory, which several stores may share as processes share a directory. */
export class MemoryStateStore implements StateStore {
  readonly records = new Map<string, Buffer>()
  readonly log: string[] = []
  sealingKey: Buffer = Buffer.alloc(32, 7)
  fault: Error | undefined
  /** The key alone cannot be had. */
  keyFault: Error | undefined

  key(): Buffer {
    this.#check()
    if (this.keyFault !== undefined) throw this.keyFault
    return this.sealingKey
  }
  claim(name: string): Buffer | undefined {
    this.#check()
    const record = this.records.get(name)
    if (this.records.delete(name)) this.log.push(`claim ${name}`)
    return record
  }
  write(name: string, bytes: Buffer): void {
    this.#check()
    this.log.push(`write ${name}`)
    this.records.set(name, bytes)
  }
  remove(name: string): void {
    this.#check()
    this.records.delete(name)
  }
  prune(count: number): void {
    for (const name of [...this.records.keys()].slice(0, Math.max(0, this.records.size - count)))
      this.records.delete(name)
  }
  #check(): void {
    if (this.fault !== undefined) throw this.fault
  }
}
