/**
 * Shares of the font size in the widest common sans-serif (DejaVu Sans): a narrower one leaves a little room.
 */
const NARROW_EM = 0.64
const CAPITAL_EM = 0.8
const WIDE_EM = 1.05

/**
 * About how wide the text is at that font size, in the units of the font size. There is nothing here that
 * could measure it.
 */
export function textWidth(text: string, fontSize: number): number {
  let ems = 0
  for (const character of text) ems += characterEms(character)
  return ems * fontSize
}

function characterEms(character: string): number {
  if ('mwMW@%'.includes(character) || (character.codePointAt(0) ?? 0) >= 0x500) return WIDE_EM
  return character === character.toLowerCase() ? NARROW_EM : CAPITAL_EM
}

/** The text, or as much of its beginning as fits, with an ellipsis. */
export function fitText(text: string, fontSize: number, width: number): string {
  if (textWidth(text, fontSize) <= width) return text
  let fitting = ''
  let used = WIDE_EM * fontSize // the ellipsis
  for (const character of text) {
    used += textWidth(character, fontSize)
    if (used > width) break
    fitting += character
  }
  return `${fitting.trimEnd()}\u2026`
}
