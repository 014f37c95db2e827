import { StacklessError } from '../fault.ts'

/**
 * A message broke a rule that HTTP/2 and HTTP/3 share. Thrown by the rules of this folder; each session turns
 * it into the end of the stream.
 */
export class MessageFault extends StacklessError {
  constructor(message: string) {
    super(message)
    this.name = 'MessageFault'
  }
}
