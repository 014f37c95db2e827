import { describe, expect, it } from 'vitest'
import { RuleWatch } from '../../../../src/select/choice/challengers.ts'

describe('another reason for the same lane', () => {
  it('is news at once, unless both only compare figures', () => {
    const watch = new RuleWatch(5_000)
    expect(watch.isNews('faster', 'unmeasured', 0)).toBe(true)
    expect(watch.isNews('only-candidate', 'faster', 0)).toBe(true)
    expect(watch.isNews('failing', 'kept', 0)).toBe(true)
    expect(watch.isNews('kept', 'kept', 0)).toBe(false)
    expect(watch.isNews('kept', 'faster', 0)).toBe(false)
  })

  it('that compares is news when it held without a break', () => {
    const watch = new RuleWatch(5_000)
    expect(watch.isNews('kept', 'faster', 0)).toBe(false)
    expect(watch.isNews('faster', 'faster', 4_000)).toBe(false)
    expect(watch.isNews('kept', 'faster', 5_000)).toBe(false)
    expect(watch.isNews('cheaper', 'faster', 9_999)).toBe(false)
    expect(watch.isNews('cheaper', 'faster', 14_998)).toBe(false)
    expect(watch.isNews('cheaper', 'faster', 14_999)).toBe(true)
  })

  it('begins anew with another lane', () => {
    const watch = new RuleWatch(5_000)
    watch.isNews('kept', 'faster', 0)
    watch.reset()
    expect(watch.isNews('kept', 'faster', 5_000)).toBe(false)
  })
})
