import { HTAB } from '../../base/http/char-tables.ts'

/** What a page needs has a few hundred characters; a peer wrote it, so that it is bounded. */
export const MAX_LINK_CHARS = 8192
/** Links after these are not looked at. */
const MAX_LINKS = 64
/** A response that names more is no hint, but a list. */
export const MAX_PRECONNECTS = 4

/**
 * The targets of links to preconnect in a Link field (RFC 8288 section 3), as they are written; several field
 * lines come joined by commas:
 *
 *     <https://static.example>; rel=preconnect; crossorigin, </style.css>; rel=preload
 *
 * Where the same link says `rel` twice the first counts, and a link with an `anchor` is about something else
 * than the response (3.2). Reading ends at the first link without a target, as in appendix B.2: what comes
 * behind cannot be told apart. Never throws; each character is looked at once.
 */
export function readPreconnects(value: string): string[] {
  const targets: string[] = []
  const reader = new LinkReader(value.length > MAX_LINK_CHARS ? value.slice(0, MAX_LINK_CHARS) : value)
  for (let links = 0; links < MAX_LINKS && targets.length < MAX_PRECONNECTS; links += 1) {
    const link = reader.next()
    if (link === undefined) break
    const isMeant =
      !link.hasAnchor &&
      link.relations
        .toLowerCase()
        .split(/[ \t]+/)
        .includes('preconnect')
    if (isMeant && !targets.includes(link.target)) targets.push(link.target)
  }
  return targets
}

interface LinkValue {
  readonly target: string
  /** Relation types, with spaces between them. */
  readonly relations: string
  readonly hasAnchor: boolean
}

class LinkReader {
  readonly #text: string
  #at = 0

  constructor(text: string) {
    this.#text = text
  }

  /** Undefined: no more can be read. */
  next(): LinkValue | undefined {
    while (this.#isSpace() || this.#is(',')) this.#at += 1
    if (!this.#is('<')) return undefined
    const end = this.#text.indexOf('>', this.#at)
    if (end === -1) return undefined
    const target = this.#text.slice(this.#at + 1, end)
    this.#at = end + 1
    let relations: string | undefined
    let hasAnchor = false
    while (this.#findParameter()) {
      const [name, text] = this.#parameter()
      if (name === 'rel') relations ??= text
      if (name === 'anchor') hasAnchor = true
    }
    return { target, relations: relations ?? '', hasAnchor }
  }

  /** Goes behind the next `;`. False: the link ends first. */
  #findParameter(): boolean {
    while (this.#at < this.#text.length && !this.#is(',')) {
      this.#at += 1
      if (this.#text[this.#at - 1] === ';') return true
    }
    return false
  }

  /** A name without a value has an empty one. */
  #parameter(): [name: string, value: string] {
    this.#skipSpace()
    const name = this.#until('=').trim().toLowerCase()
    if (!this.#is('=')) return [name, '']
    this.#at += 1
    this.#skipSpace()
    return [name, this.#is('"') ? this.#quoted() : this.#until('').trim()]
  }

  /** RFC 9110 5.6.4. One without an end reaches to that of the field. */
  #quoted(): string {
    let value = ''
    for (this.#at += 1; this.#at < this.#text.length && !this.#is('"'); this.#at += 1) {
      if (this.#is('\\')) this.#at += 1
      value += this.#text[this.#at] ?? ''
    }
    this.#at += 1
    return value
  }

  /** Up to `end`, or to what ends a parameter. */
  #until(end: string): string {
    const start = this.#at
    while (this.#at < this.#text.length && !this.#is(',') && !this.#is(';') && !this.#is(end)) this.#at += 1
    return this.#text.slice(start, this.#at)
  }

  #skipSpace(): void {
    while (this.#isSpace()) this.#at += 1
  }

  #is(character: string): boolean {
    return this.#text[this.#at] === character
  }

  /** Optional whitespace is spaces and tabs (RFC 9110 5.6.3). */
  #isSpace(): boolean {
    const code = this.#text.charCodeAt(this.#at)
    return code === 0x20 || code === HTAB
  }
}
