import { describe, expect, it } from 'vitest'
import { WatchedCertificate } from '../../../../src/service/lifecycle/certificate-watch.ts'

const pair = (name: string) => ({ cert: `cert ${name}`, key: `key ${name}` })
const fits = ({ cert, key }: { cert: string; key: string }): string | undefined =>
  cert.slice(5) === key.slice(4) ? undefined : 'key values mismatch'

describe('a certificate whose files change', () => {
  it('is loaded when both are there and belong together', () => {
    const watch = new WatchedCertificate(pair('old'))
    expect(watch.next(pair('old'), fits)).toEqual({ type: 'same' })
    expect(watch.next(pair('new'), fits)).toEqual({ type: 'load', pair: pair('new') })
    expect(watch.next(pair('new'), fits)).toEqual({ type: 'same' })
  })

  it('is waited for while only one of the two is there', () => {
    const watch = new WatchedCertificate(pair('old'))
    const half = { cert: 'cert new', key: 'key old' }
    expect(watch.next(half, fits)).toEqual({ type: 'wait' })
    expect(watch.isWaiting).toBe(true)
    expect(watch.next(pair('new'), fits)).toEqual({ type: 'load', pair: pair('new') })
    expect(watch.isWaiting).toBe(false)
  })

  it('is refused once, when it is still unusable at the next check', () => {
    const watch = new WatchedCertificate(pair('old'))
    const half = { cert: 'cert new', key: 'key old' }
    watch.next(half, fits)
    expect(watch.next(half, fits)).toEqual({ type: 'refuse', because: 'key values mismatch' })
    expect(watch.isWaiting).toBe(false)
    expect(watch.next(half, fits)).toEqual({ type: 'same' })
    expect(watch.next({ because: 'no such file' }, fits)).toEqual({ type: 'wait' })
    expect(watch.next({ because: 'no such file' }, fits)).toEqual({ type: 'refuse', because: 'no such file' })
    expect(watch.next(pair('old'), fits)).toEqual({ type: 'same' })
    expect(watch.next(half, fits)).toEqual({ type: 'wait' })
  })
})
