import { z } from 'zod'
import { type EgressOptions, MAX_PROXIES, parseProxyUrl } from '../../../entry/options.ts'
import { durationField } from './option-group.ts'
import { authoritiesField } from './tls-fields.ts'

/** One way out. No fault repeats the URL of a proxy: it may hold a password. */
export function egressField(directory: string): z.ZodType<EgressOptions> {
  return z
    .strictObject({
      proxies: z.array(proxyField).min(1).max(MAX_PROXIES),
      sticky: durationField.optional(),
      ca: authoritiesField(directory).optional(),
    })
    .transform(({ proxies, sticky, ca }) => ({
      proxies,
      ...(sticky !== undefined && { stickyMs: sticky }),
      ...(ca !== undefined && { ca }),
    }))
}

const proxyField = z.string().superRefine((url, context) => {
  try {
    parseProxyUrl(url)
  } catch (error) {
    context.addIssue({ code: 'custom', message: error instanceof Error ? error.message : String(error) })
  }
})
