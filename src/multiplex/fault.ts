/** The peer broke a rule. HTTP/2 and HTTP/3 have their own kinds of it, with their own codes; each is thrown and caught in its own room. */
export class Fault<Code extends string> extends Error {
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
