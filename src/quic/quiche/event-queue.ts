import type { QuicEvent } from '../engine.ts'

/** First in, first out, without moving what waits. */
export class EventQueue {
  #events: QuicEvent[] = []
  #next = 0

  push(event: QuicEvent): void {
    this.#events.push(event)
  }

  shift(): QuicEvent | undefined {
    if (this.#next === this.#events.length) return undefined
    const event = this.#events[this.#next]
    this.#next += 1
    if (this.#next === this.#events.length) {
      this.#events = []
      this.#next = 0
    }
    return event
  }
}
