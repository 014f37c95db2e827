import { describe, expect, it } from 'vitest'
import { escapeText, markup } from '../../../../../src/bench/report/html/markup.ts'

describe('markup', () => {
  it('escapes what is put into it, but not markup', () => {
    const inner = markup`<b>${'<i>'}</b>`
    expect(markup`<p title="${`"'`}">${inner}${[inner, 1, undefined]}${undefined}</p>`.text).toBe(
      '<p title="&quot;&#39;"><b>&lt;i&gt;</b><b>&lt;i&gt;</b>1</p>',
    )
  })

  it('does not take an object that looks like markup for markup', () => {
    const forged = JSON.parse('{"text":"<script>","length":0}') as never // what a result file could hold where text is due
    expect(() => markup`${forged}`.text).toThrow(TypeError)
  })
})

describe('escapeText', () => {
  it('shows what no page may hold, and what would turn text around, as U+FFFD', () => {
    expect(escapeText('a\0b\u{1b}[31mc\u202ed\ud800e\ufffff')).toBe(
      'a\ufffdb\ufffd[31mc\ufffdd\ufffde\ufffdf',
    )
  })

  it('leaves line breaks, and characters beyond the first plane, as they are', () => {
    expect(escapeText('a\n\tb \u{1f642} \u5b57')).toBe('a\n\tb \u{1f642} \u5b57')
  })
})
