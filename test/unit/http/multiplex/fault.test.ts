import { describe, expect, it } from 'vitest'
import { ProtocolFault } from '../../../../src/http/multiplex/fault.ts'
import { MessageFault } from '../../../../src/http/multiplex/messages/message-head.ts'

describe('faults of peers', () => {
  it.each([
    ['ProtocolFault', new ProtocolFault('CODE', 'what is wrong', 'maxSomething')],
    ['MessageFault', new MessageFault('what is wrong')],
  ])('like a %s have no stack, and leave that of other errors alone', (name, fault) => {
    expect(fault).toMatchObject({ name, message: 'what is wrong' })
    expect(fault.stack).not.toContain('\n    at ')
    expect(new Error('another').stack).toContain('\n    at ')
  })
})
