import { describe, expect, it } from 'vitest'
import { Challengers, RuleWatch } from '../../../../src/select/choice/challengers.ts'

describe('a lane that challenges the current one', () => {
  it('is held until it has stayed better for long enough, and has shown it again', () => {
    const challengers = new Challengers(5_000, 5)
    challengers.onJudged('h3', true, 10, 0)
    expect(challengers.holds('h3', 10, 2_000)).toBe('it must stay better for 5.0 s, and has for 2.0 s')
    expect(challengers.needsTrial('h3', 14)).toBe(true)
    expect(challengers.holds('h3', 14, 5_000)).toBe('another trial must show it again')
    expect(challengers.needsTrial('h3', 15)).toBe(false)
    expect(challengers.holds('h3', 15, 4_999)).toMatch('must stay better')
    expect(challengers.holds('h3', 15, 5_000)).toBeUndefined()
  })

  it('begins anew when it looked worse once', () => {
    const challengers = new Challengers(5_000, 0)
    challengers.onJudged('h3', true, 10, 0)
    challengers.onJudged('h3', false, 10, 3_000)
    expect(challengers.holds('h3', 10, 5_000)).toBe('it is not better by more than chance explains')
    challengers.onJudged('h3', true, 10, 5_000)
    expect(challengers.holds('h3', 10, 9_999)).toMatch('must stay better')
    expect(challengers.holds('h3', 10, 10_000)).toBeUndefined()
  })

  it('is not the lane that was left just now', () => {
    const challengers = new Challengers(5_000, 0)
    challengers.onChanged('tcp', 10_000)
    challengers.onJudged('tcp', true, 10, 9_000)
    expect(challengers.holds('tcp', 10, 14_500)).toBe('it was left less than 5.0 s ago')
    expect(challengers.holds('tcp', 10, 15_000)).toBeUndefined()
  })

  it('is dropped when another lane carries, or everything begins anew', () => {
    const challengers = new Challengers(0, 5)
    challengers.onJudged('h3', true, 10, 0)
    challengers.onChanged('tcp', 1)
    expect(challengers.needsTrial('h3', 10)).toBe(false)
    challengers.onJudged('h3', true, 10, 2)
    challengers.clear()
    expect(challengers.needsTrial('h3', 10)).toBe(false)
  })
})

describe('another reason for the same lane', () => {
  it('is reported at once, unless both only compare figures', () => {
    const watch = new RuleWatch(5_000)
    expect(watch.isNews('faster', 'unmeasured', 0)).toBe(true)
    expect(watch.isNews('only-candidate', 'faster', 0)).toBe(true)
    expect(watch.isNews('failing', 'kept', 0)).toBe(true)
    expect(watch.isNews('kept', 'kept', 0)).toBe(false)
    expect(watch.isNews('kept', 'faster', 0)).toBe(false)
  })

  it('that compares is reported when it held without a break', () => {
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
