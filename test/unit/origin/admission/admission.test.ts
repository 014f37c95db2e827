import { describe, expect, it } from 'vitest'
import { TransportError } from '../../../../src/base/errors.ts'
import { parseOrigin } from '../../../../src/base/http/origin.ts'
import type { OriginOptions } from '../../../../src/base/options/options.ts'
import { Admission, type Admitted } from '../../../../src/origin/admission/admission.ts'
import { SettingsBook } from '../../../../src/origin/origin-settings.ts'

function setUp(defaults: OriginOptions) {
  const settings = new SettingsBook({ defaults }).settingsFor(parseOrigin('https://shop.test'))
  const news: string[] = []
  const admission = Admission.of(settings, 0, (by, limit) => void news.push(`${by} ${limit}`))
  return { admission: admission!, news }
}

function admitted(answer: Admitted | TransportError): Admitted {
  if (answer instanceof TransportError) throw answer
  return answer
}

describe('Admission', () => {
  it('is none where nothing is bounded', () => {
    expect(setUp({}).admission).toBeUndefined()
  })

  it('refuses by name what comes above breakers.maxRequests, until one has ended', () => {
    const { admission } = setUp({ breakers: { maxRequests: 1 } })
    const first = admitted(admission.admit(0))
    expect(admission.admit(0)).toMatchObject({ code: 'MM_BREAKER_OPEN', processed: 'no', retryable: true })
    first.end(200, 5, undefined, 5)
    admitted(admission.admit(5))
    expect(admission.figures().breakers.requests).toEqual({ limit: 1, used: 1, refused: 1 })
  })

  it('lets no more be sent again at a time than breakers.maxRetries, each counted once', () => {
    const { admission } = setUp({ breakers: { maxRetries: 1 } })
    const [first, second] = [admitted(admission.admit(0)), admitted(admission.admit(0))]
    expect([first.mayRetry(0), first.mayRetry(0), second.mayRetry(0)]).toEqual([true, true, false])
    first.end(200, 1, undefined, 1)
    expect(second.mayRetry(1)).toBe(true)
    second.end(200, 1, undefined, 1)
    expect(admission.figures().breakers.retries).toEqual({ limit: 1, used: 0, refused: 1 })
  })

  it('refuses by name what comes above the limit of concurrency, and gives the place of the breaker back', () => {
    const { admission } = setUp({
      breakers: { maxRequests: 5 },
      concurrency: { limit: 'gradient', initial: 1, min: 1 },
    })
    admitted(admission.admit(0))
    expect(admission.admit(0)).toMatchObject({ code: 'MM_CONCURRENCY_LIMIT', processed: 'no' })
    expect(admission.figures()).toMatchObject({
      breakers: { requests: { used: 1 } },
      concurrency: { limit: 1, inFlight: 1, refused: 1 },
    })
  })

  it.each<[string, (request: Admitted) => void]>([
    ['an answer with 503', request => request.end(503, 5, undefined, 10)],
    ['an answer with 429', request => request.end(429, 5, undefined, 10)],
    ['no answer in time', request => request.end(0, 0, new TransportError('MM_TRY_TIMEOUT', 'late'), 10)],
    [
      'a try that was refused before a good answer',
      request => {
        request.onRetry('status')
        request.end(200, 5, undefined, 10)
      },
    ],
  ])('lowers the limit after %s', (_what, end) => {
    const { admission } = setUp({
      concurrency: { limit: 'gradient', windowMs: 10, minSamples: 1, initial: 20 },
    })
    end(admitted(admission.admit(0)))
    expect(admission.figures().concurrency?.limit).toBe(18)
  })

  it('does not lower the limit for a caller that gave up, nor for a connection that broke', () => {
    const { admission } = setUp({ concurrency: { limit: 'gradient', windowMs: 10, minSamples: 1 } })
    admitted(admission.admit(0)).end(0, 0, new TransportError('MM_ABORTED', 'gone'), 10)
    admitted(admission.admit(0)).end(0, 0, new TransportError('MM_CONNECTION_RESET', 'broke'), 10)
    expect(admission.figures().concurrency?.limit).toBe(20)
  })

  it('reports the first refusal of each kind after 10 s without', () => {
    const { admission, news } = setUp({ breakers: { maxRequests: 1, maxRetries: 1 } })
    const first = admitted(admission.admit(0))
    first.mayRetry(0)
    admission.admit(0)
    admission.admit(9_000)
    admission.admit(18_000)
    expect(news).toEqual(['requests 1'])
    admission.admit(28_000)
    expect(news).toEqual(['requests 1', 'requests 1'])
  })
})
