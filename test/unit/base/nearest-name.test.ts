import { describe, expect, it } from 'vitest'
import { nearestName } from '../../../src/base/nearest-name.ts'

const NAMES = ['maxConnections', 'maxRequests', 'idleTimeout', 'warm', 'url']

describe('nearestName', () => {
  it.each([
    ['maxConections', 'maxConnections'],
    ['maxconnections', 'maxConnections'],
    ['idleTimeoutMs', 'idleTimeout'],
    ['wram', 'warm'],
    ['ulr', 'url'],
  ])('takes %s for %s', (word, expected) => {
    expect(nearestName(word, NAMES)).toBe(expected)
  })

  it.each(['banana', 'x', 'timeouts'])('has nothing near %s', word => {
    expect(nearestName(word, NAMES)).toBeUndefined()
  })
})
