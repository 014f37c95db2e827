import { describe, expect, it } from 'vitest'
import { atTerminal, requirePseudoTerminal, screenRows } from '../../support/pseudo-terminal.ts'

const missing = requirePseudoTerminal()

describe('the rows that a terminal shows', () => {
  it('wrap, go back, go up and are erased', () => {
    expect(screenRows('abcdef\r\n12', 4)).toEqual(['abcd', 'ef', '12'])
    expect(screenRows('old text\r\x1b[2Knew', 20)).toEqual(['new'])
    expect(screenRows('one\r\ntwo\x1b[1A\r\x1b[JX', 20)).toEqual(['X'])
    expect(screenRows('\x1b[31mred\x1b[0m', 20)).toEqual(['red'])
  })
})

describe.skipIf(missing !== undefined)(`a program at a pseudo-terminal ${missing ?? ''}`, () => {
  it('finds the size, is notified of another one, gets Ctrl-C, and ends with its own code', async () => {
    const program = `
      console.log(process.stdout.isTTY + ' ' + process.stdout.columns)
      process.stdout.on('resize', () => console.log('now ' + process.stdout.columns))
      process.on('SIGINT', () => process.exit(7))
      setInterval(() => {}, 1000)`
    await using session = atTerminal([process.execPath, '-e', program], { columns: 120 })
    await session.untilOutput(/true 120/)
    session.resize({ columns: 60 })
    await session.untilOutput(/now 60/)
    session.type('\x03')
    expect(await session.exited).toBe(7)
  })
})
