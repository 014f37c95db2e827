import { describe, expect, it } from 'vitest'
import { TOKEN } from '../../src/base/http/char-tables.ts'
import { type AltSvcEntry, parseAltSvc } from '../../src/select/evidence/alt-svc.ts'
import { fc } from '../support/property.ts'

// A longer look: RUNS=100000 SEED=7 npx vitest run test/property/alt-svc.test.ts
const RUNS = Number(process.env['RUNS'] ?? 1000)

const latin1 = fc.string({
  unit: fc.integer({ min: 0, max: 255 }).map(code => String.fromCharCode(code)),
  minLength: 1,
  maxLength: 12,
})
const host = fc.oneof(
  fc.constant(''),
  fc.domain().map(name => name.toLowerCase()),
  fc.ipV4(),
  fc.constantFrom('::1', '2001:db8::8', 'fe80::1:2'),
)
const entry: fc.Arbitrary<AltSvcEntry> = fc.record({
  protocolId: fc.oneof(fc.constantFrom('h3', 'h2', 'h3-29'), latin1),
  host,
  port: fc.integer({ min: 1, max: 65_535 }),
  maxAgeSeconds: fc.nat(30 * 86_400),
  persists: fc.boolean(),
})
const ows = fc.constantFrom('', ' ', '\t', ' \t ')

/** As an origin may write it; every choice that the grammar leaves is drawn. */
function write(
  { protocolId, host, port, maxAgeSeconds, persists }: AltSvcEntry,
  free: fc.GeneratorValue,
): string {
  const id = Array.from(protocolId)
    .map(character => {
      const code = character.charCodeAt(0)
      const isPlain = TOKEN[code] !== 0 && character !== '%'
      return isPlain ? character : `%${code.toString(16).toUpperCase().padStart(2, '0')}`
    })
    .join('')
  const authority = `${host.includes(':') ? `[${host}]` : host}:${port}`
  const quoted = Array.from(authority)
    .map(character => (free(fc.nat, 9) === 0 ? `\\${character}` : character))
    .join('')
  const parameters = [free(fc.boolean) ? `ma=${maxAgeSeconds}` : `ma="${maxAgeSeconds}"`]
  if (persists) parameters.push('persist=1')
  if (free(fc.boolean)) parameters.push('unknown="a,b;c\\"d"')
  const tail = parameters.map(parameter => `${free(() => ows)};${free(() => ows)}${parameter}`).join('')
  return `${id}="${quoted}"${tail}`
}

describe('parseAltSvc', () => {
  it('reads every value that can be written', () => {
    fc.assert(
      fc.property(fc.array(entry, { minLength: 1, maxLength: 6 }), fc.gen(), (entries, free) => {
        const value = entries
          .map(each => `${free(() => ows)}${write(each, free)}${free(() => ows)}`)
          .join(',')
        expect(parseAltSvc(value)).toEqual({ clears: false, alternatives: entries })
      }),
      { numRuns: RUNS },
    )
  })

  it('never throws, and returns nothing out of bounds', () => {
    const piece = fc.oneof(
      fc.constantFrom(
        'h3=',
        'clear',
        '":443"',
        '"a.example:1"',
        '; ma=',
        '60',
        ',',
        ';',
        '"',
        '\\',
        '%',
        '=',
        '[::1]:9',
      ),
      fc.string({ unit: 'binary', maxLength: 5 }),
    )
    const good = 'h3=":443"; ma=60, h2="a.example:1"; persist=1, w%3D="[::1]:9"'
    const damaged = fc
      .array(fc.tuple(fc.nat(good.length), fc.nat(3), fc.string({ unit: 'binary', maxLength: 2 })), {
        maxLength: 4,
      })
      .map(damages =>
        damages.reduce(
          (text, [at, gone, instead]) => text.slice(0, at) + instead + text.slice(at + gone),
          good,
        ),
      )
    const pieces = fc.array(piece).map(each => each.join(''))
    let taken = 0
    fc.assert(
      fc.property(fc.oneof(fc.string({ unit: 'binary' }), pieces, damaged), value => {
        const header = parseAltSvc(value)
        if (header === undefined || header.clears) return
        taken++
        expect(header.alternatives.length).toBeGreaterThan(0)
        for (const { port, maxAgeSeconds, protocolId, host } of header.alternatives) {
          expect(Number.isInteger(port) && port > 0 && port < 65_536).toBe(true)
          expect(maxAgeSeconds >= 0 && maxAgeSeconds <= 30 * 86_400).toBe(true)
          expect(protocolId).not.toBe('')
          expect(host).toMatch(/^[a-z0-9._~:-]*$/)
        }
      }),
      { numRuns: RUNS * 5 },
    )
    expect(taken).toBeGreaterThan(RUNS / 50)
  })
})
