import { describe, expect, it } from 'vitest'
import { harmless, PLAIN_SCREEN, ProgressLine, screenOf } from '../../../src/cli/terminal.ts'

describe('a screen', () => {
  it('has colors on a terminal, and none in a pipe, with NO_COLOR, or where the terminal is dumb', () => {
    const terminal = { isTTY: true, columns: 120 }
    expect(screenOf(terminal, {}).paint('green', 'ok')).toBe('\x1b[32mok\x1b[0m')
    expect(screenOf(terminal, { NO_COLOR: '' }).paint('green', 'ok')).toBe('\x1b[32mok\x1b[0m')
    expect(screenOf(terminal, { NO_COLOR: '1' }).paint('green', 'ok')).toBe('ok')
    expect(screenOf(terminal, { TERM: 'dumb' }).paint('green', 'ok')).toBe('ok')
    expect(screenOf({}, {}).paint('green', 'ok')).toBe('ok')
    expect(screenOf(terminal, { NO_COLOR: '1' }).isTerminal).toBe(true)
  })

  it('is as wide as the terminal is now, and 80 columns where nobody knows', () => {
    const stream = { isTTY: true, columns: 120 }
    const screen = screenOf(stream, {})
    expect(screen.columns).toBe(120)
    stream.columns = 40
    expect(screen.columns).toBe(40)
    stream.columns = 0
    expect(screen.columns).toBe(80)
    expect(PLAIN_SCREEN.columns).toBe(80)
  })
})

describe('text that comes from a peer', () => {
  it('has no control characters when it is shown', () => {
    expect(harmless('a\x1b[2Jb\x07\u009b')).toBe('a?[2Jb??')
  })
})

describe('a line of progress', () => {
  const shown = (screen: ReturnType<typeof screenOf>): string => {
    const written: string[] = []
    const line = new ProgressLine(screen, text => written.push(text))
    line.show('1 of 2')
    line.show('a name\x1b[2J that is too long for it')
    line.clear()
    line.clear()
    return written.join('|')
  }

  it('writes over itself, within the terminal, and leaves nothing behind', () => {
    const screen = screenOf({ isTTY: true, columns: 20 }, { NO_COLOR: '1' })
    expect(shown(screen)).toBe('\r1 of 2\x1b[K|\ra name?[2J that is \x1b[K|\r\x1b[K')
  })

  it('is left out in a pipe, and where nothing can be written over', () => {
    expect(shown(PLAIN_SCREEN)).toBe('')
    expect(shown(screenOf({ isTTY: true }, { TERM: 'dumb' }))).toBe('')
  })
})
