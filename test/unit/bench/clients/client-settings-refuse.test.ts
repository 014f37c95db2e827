import { describe, expect, it } from 'vitest'
import { refuseSetting } from '../../../../src/bench/clients/client-settings.ts'

const SETTING = { origins: ['https://a'], connections: 1 }

describe('a setting of a client', () => {
  it.each([
    [{ protocols: ['h3'] as const }, 'x does not speak h3'],
    [{ protocols: ['h2', 'http/1.1'] as const }, 'one protocol at a time'],
    [{ stateDirectory: '/x' }, 'keeps no tickets'],
    [{ earlyData: true }, 'no early data'],
    [{ fastOpen: true }, 'no TCP Fast Open'],
  ])('that its library does not support is refused: %o', (setting, because) => {
    expect(() => refuseSetting('x', { ...SETTING, ...setting }, ['h2', 'http/1.1'])).toThrow(because)
  })

  it('that its library supports is accepted', () => {
    expect(() => refuseSetting('x', { ...SETTING, protocols: ['h2'] }, ['h2'])).not.toThrow()
  })
})
