import type { HeaderList } from '../../entry/dispatch.ts'
import { parseTemplate, renderValue, type Template, type TemplateContext } from './template.ts'

/** What a route changes about fields: names in lower case, values with variables. */
export interface FieldEdits {
  readonly remove: readonly string[]
  readonly set: readonly (readonly [name: string, value: string])[]
  readonly add: readonly (readonly [name: string, value: string])[]
}

/** Changes the fields of a message, first what is removed, then what is set, then what is added. */
export class FieldEditor {
  readonly #removed: ReadonlySet<string>
  readonly #written: readonly (readonly [name: string, value: Template])[]

  /** The edits were validated: their templates can be read. */
  constructor({ remove, set, add }: FieldEdits, captures: readonly string[]) {
    this.#removed = new Set([...remove, ...set.map(([name]) => name)])
    this.#written = [...set, ...add].map(([name, value]) => [name, readTemplate(value, captures)])
  }

  /** A field whose value would be empty is left out: a variable had none. */
  edit(headers: HeaderList, context: TemplateContext): HeaderList {
    const edited =
      this.#removed.size === 0
        ? [...headers]
        : headers.filter((_, at) => !this.#removed.has(headers[at & ~1] ?? ''))
    for (const [name, template] of this.#written) {
      const value = renderValue(template, context)
      if (value !== '') edited.push(name, value)
    }
    return edited
  }
}

/** Undefined where there is nothing to change. */
export function fieldEditor(
  edits: FieldEdits | undefined,
  captures: readonly string[],
): FieldEditor | undefined {
  return edits && new FieldEditor(edits, captures)
}

/** Of a template that was validated. Throws for others. */
export function readTemplate(text: string, captures: readonly string[]): Template {
  const template = parseTemplate(text, captures)
  if (typeof template === 'string') throw new TypeError(`${JSON.stringify(text)}: ${template}`)
  return template
}
