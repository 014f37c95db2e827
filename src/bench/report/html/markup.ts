/** Text that is markup already. Only `markup` makes it, so that nothing reaches a page unescaped. */
class Markup {
  readonly text: string

  constructor(text: string) {
    this.text = text
  }

  toString(): string {
    return this.text
  }
}

export type { Markup }

/**
 * What may stand in a template: markup as it is, text and numbers escaped, lists in order, nothing for
 * undefined.
 */
export type Part = Markup | string | number | undefined | readonly Part[]

/** Markup with data in it: markup`<b>${name}</b>`. Attributes are to be quoted. */
export function markup(template: TemplateStringsArray, ...parts: readonly Part[]): Markup {
  let text = template[0] ?? ''
  for (let i = 0; i < parts.length; i++) text += render(parts[i]) + (template[i + 1] ?? '')
  return new Markup(text)
}

function render(part: Part): string {
  if (part === undefined) return ''
  if (part instanceof Markup) return part.text
  if (typeof part === 'object') return part.map(render).join('')
  return escapeText(String(part))
}

const ENTITIES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
}

/**
 * What no page may hold (HTML, 13.2.3.5: controls, halves of surrogate pairs, noncharacters), and what would
 * turn the text behind it around: shown as U+FFFD, so that it is seen.
 */
const UNFIT = /[\p{Noncharacter_Code_Point}\p{Surrogate}\p{Bidi_Control}]|(?![\t\n])\p{Cc}/gu

/** For element content and for quoted attributes. */
export function escapeText(text: string): string {
  return text.replace(UNFIT, '\ufffd').replace(/[&<>"']/g, character => ENTITIES[character] ?? character)
}
