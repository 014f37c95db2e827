import { NEVER } from '../base/clock.ts'

/**
 * Whether a client sends, or takes, at least so many bytes a second, on average, while we wait for it: a
 * token bucket whose tokens are milliseconds. What comes in one piece pays for the time that it may have
 * taken at the least rate, so that a client that answers seldom and with much is not taken for a slow one.
 *
 * waiting  time runs. Valid transitions: resting
 * resting  the origin, or we, keep the client waiting: no time runs. Valid transitions: waiting
 */
export class RateWatch {
  readonly #msPerByte: number
  readonly #graceMs: number
  /** Left while resting. */
  #creditMs: number
  /** Bytes whose time was given when they began to wait. */
  #prepaidBytes = 0
  /** When it is too slow unless something comes before; NEVER while resting. */
  deadlineMs = NEVER

  /** `graceMs`: what a client may be late by. */
  constructor(bytesPerSecond: number, graceMs: number) {
    this.#msPerByte = 1_000 / bytesPerSecond
    this.#graceMs = graceMs
    this.#creditMs = graceMs
  }

  /** We wait for the client from now on: for `bytes`, of which nobody may see that it takes a part. */
  begin(now: number, bytes = 0): void {
    if (this.deadlineMs !== NEVER) return
    this.#prepaidBytes = bytes
    this.deadlineMs = now + this.#creditMs + bytes * this.#msPerByte
  }

  /** So many more wait together with those that do. */
  extend(bytes: number): void {
    if (this.deadlineMs === NEVER) return
    this.#prepaidBytes += bytes
    this.deadlineMs += bytes * this.#msPerByte
  }

  /** So many bytes came, or were taken. */
  add(bytes: number, now: number): void {
    if (this.deadlineMs === NEVER) return
    const prepaid = Math.min(bytes, this.#prepaidBytes)
    this.#prepaidBytes -= prepaid
    const paidMs = (bytes - prepaid) * this.#msPerByte
    const latestMs = now + this.#graceMs + this.#prepaidBytes * this.#msPerByte
    this.deadlineMs = Math.min(this.deadlineMs, latestMs) + paidMs
  }

  /** It is not the client that is waited for. */
  pause(now: number): void {
    if (this.deadlineMs === NEVER) return
    this.#creditMs = Math.min(this.#graceMs, Math.max(0, this.deadlineMs - now))
    this.deadlineMs = NEVER
  }

  /** As at the beginning. */
  reset(): void {
    this.#creditMs = this.#graceMs
    this.deadlineMs = NEVER
  }
}
