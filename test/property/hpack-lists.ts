import { fc } from '../support/property.ts'

/** Names of every class, so that insertions, references, literals and secrets mix. */
const names = fc.oneof(
  fc.constantFrom('server', 'vary', 'content-type', 'accept-encoding', 'via', 'te'),
  fc.constantFrom('date', 'user-agent', 'x-color', 'x-shape', 'accept', 'host'),
  fc.constantFrom('etag', 'content-length', 'x-request-id', 'range'),
  fc.constantFrom('cookie', 'authorization', 'x-user-token'),
  fc.stringMatching(/^[a-z0-9!#$%&'*+.^_`|~-]{1,20}$/).map(name => `x-${name}`),
)

const latin1 = fc
  .array(
    fc.integer({ min: 0x20, max: 0xff }).filter(code => code !== 0x7f),
    { maxLength: 60 },
  )
  .map(codes => String.fromCharCode(...codes).replaceAll(/^[ \t]+|[ \t]+$/g, ''))

const values = fc.oneof(
  { weight: 6, arbitrary: fc.constantFrom('a', 'text/html', 'gzip', '0123456789', 'one value of many') },
  { weight: 2, arbitrary: latin1 },
  { weight: 1, arbitrary: fc.integer({ min: 100, max: 2500 }).map(length => 'v'.repeat(length)) },
)

const pseudoFields = fc.oneof(
  fc.constantFrom([':status', '200'], [':status', '302']),
  fc
    .tuple(fc.constantFrom('GET', 'POST', 'PUT'), fc.constantFrom('/', '/index.html', '/a?b=c'))
    .map(([method, path]) => [':method', method, ':path', path, ':authority', 'example.com']),
  fc.constant([]),
)

/** Pseudo-fields first. */
const list: fc.Arbitrary<readonly string[]> = fc
  .tuple(pseudoFields, fc.array(fc.tuple(names, values), { maxLength: 12 }))
  .map(([pseudo, fields]) => [...pseudo, ...fields.flat()])

/** A few lists that come again and again, as themselves and as copies. */
export const lists: fc.Arbitrary<readonly (readonly string[])[]> = fc.array(list, {
  minLength: 1,
  maxLength: 12,
})
