/**
 * An error that never leaves the protocols: thrown where a peer broke a rule, and caught by the session. It
 * has no stack, which V8 takes 9 us for: a peer that breaks rules all the time made us spend half of our work
 * on stacks that nobody read.
 */
export class StacklessError extends Error {
  constructor(message: string) {
    const { stackTraceLimit } = Error
    Error.stackTraceLimit = 0
    super(message)
    Error.stackTraceLimit = stackTraceLimit
  }
}

/**
 * The peer broke a rule. HTTP/2 and HTTP/3 have their own kinds of it, with their own codes; each is thrown
 * and caught in its own room.
 */
export class ProtocolFault<Code extends string> extends StacklessError {
  readonly code: Code
  /** A limit of ours was exceeded: its name. */
  readonly limit: string | undefined

  constructor(code: Code, message: string, limit?: string) {
    super(message)
    this.name = new.target.name
    this.code = code
    this.limit = limit
  }
}
