import { resolve } from 'node:path'
import { z } from 'zod'
import { lineFormat } from '../../access-log/line-format.ts'
import { parseSyslogServer, SYSLOG_FACILITIES } from '../../access-log/syslog-message.ts'
import { byteSizeField } from './option-group.ts'

/** A file, relative to `base`. */
export function pathField(base: string) {
  return z
    .string()
    .min(1)
    .transform(value => resolve(base, value))
}

/** The `accessLog` group. */
export function accessLogGroup(directory: string) {
  return z.strictObject({
    format: formatField.optional(),
    to: destinationField(directory).optional(),
    facility: z.enum(SYSLOG_FACILITIES).optional(),
    sample: z.number().min(0).max(1).optional(),
    requestId: requestIdField.optional(),
    maxQueuedBytes: byteSizeField({ min: 1 }).optional(),
  })
}

const formatField = z.string().superRefine((value, context) => {
  const format = lineFormat(value)
  if (typeof format === 'string') context.addIssue({ code: 'custom', message: format })
})

function destinationField(directory: string) {
  return z
    .string()
    .min(1)
    .transform((value, context) => {
      if (value === 'stdout') return value
      if (!/^syslog(?::|$)/.test(value)) return { file: resolve(directory, value) }
      const syslog = parseSyslogServer(value)
      if (syslog !== undefined) return { syslog }
      const message =
        'must be syslog:udp://HOST:PORT or syslog:tcp://HOST:PORT; a socket file of syslog takes datagrams, which Node cannot send'
      context.addIssue({ code: 'custom', message })
      return z.NEVER
    })
}

/** No field that means something to HTTP ends like that. */
const ID_FIELD = /^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,61}-id$/i
const requestIdField = z
  .preprocess(
    value => (value === false ? 'off' : value),
    z
      .string()
      .refine(
        value => value === 'off' || ID_FIELD.test(value),
        'must be off, or the name of a field that ends in -id, such as x-request-id',
      ),
  )
  .transform(value => value.toLowerCase())
