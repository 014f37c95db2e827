/** An element as it stands in a page, in the order of its start tags. */
export interface HtmlElement {
  readonly name: string
  readonly attributes: ReadonlyMap<string, string>
  readonly parent: HtmlElement | undefined
  /** Of itself and of what is in it, entities resolved. */
  text: string
}

const VOID = new Set(['meta', 'link', 'br', 'hr', 'img', 'input'])
const ENTITIES: Readonly<Record<string, string>> = { amp: '&', lt: '<', gt: '>', quot: '"', '#39': "'" }

/**
 * Reads a page more strictly than any browser: every element closed in its order, every attribute quoted and
 * given once, no bare `<` or `&`. Throws where a browser would have to guess.
 */
export function parseStrictHtml(page: string): readonly HtmlElement[] {
  const elements: HtmlElement[] = []
  let open: HtmlElement | undefined
  const doctype = '<!doctype html>\n'
  if (!page.startsWith(doctype)) throw new Error('no doctype')
  for (let at = doctype.length; at < page.length; ) {
    const pattern = open?.name === 'style' ? STYLE_TOKEN : TOKEN
    pattern.lastIndex = at
    const token = pattern.exec(page)
    if (token === null) throw new Error(`not well-formed: ${page.slice(at, at + 80)}`)
    at = pattern.lastIndex
    const { text, close, name, attributes = '', selfClose } = token.groups ?? {}
    if (text !== undefined) {
      for (let element = open; element !== undefined; element = element.parent) element.text += resolve(text)
    } else if (name !== undefined) {
      const element = { name, attributes: parseAttributes(attributes), parent: open, text: '' }
      elements.push(element)
      if (selfClose === '' && !VOID.has(name)) open = element
    } else {
      const closed = close ?? 'style'
      if (open?.name !== closed) throw new Error(`</${closed}> closes <${open?.name}>`)
      open = open.parent
    }
  }
  if (open !== undefined) throw new Error(`<${open.name}> is never closed`)
  return elements
}

const ATTRIBUTE = String.raw`\s+[a-zA-Z][\w:-]*="[^"<>]*"`
const TOKEN = new RegExp(
  String.raw`(?<text>[^<>]+)|</(?<close>[a-z][a-z0-9]*)>|<(?<name>[a-z][a-zA-Z0-9]*)(?<attributes>(?:${ATTRIBUTE})*)(?<selfClose>/?)>`,
  'y',
)
/** A style sheet ends where its end tag comes, whatever is in it. */
const STYLE_TOKEN = /(?<text>[^<]+)|<\/style>/y

function parseAttributes(text: string): ReadonlyMap<string, string> {
  const attributes = new Map<string, string>()
  for (const [, name = '', value = ''] of text.matchAll(/\s+([\w:-]+)="([^"]*)"/g)) {
    if (attributes.has(name)) throw new Error(`${name} is given twice`)
    attributes.set(name, resolve(value))
  }
  return attributes
}

function resolve(text: string): string {
  return text.replace(/&([^;]{0,8};?)/g, (whole, inner: string) => {
    const character = ENTITIES[inner.replace(/;$/, '')]
    if (!inner.endsWith(';') || character === undefined) throw new Error(`not an entity of ours: ${whole}`)
    return character
  })
}
