import type { ResultFile } from '../../results/result-file.ts'

/** Told apart by outline alone. */
export type MarkerShape = 'circle' | 'square' | 'triangle' | 'diamond' | 'cross' | 'wedge' | 'plus' | 'bar'

/**
 * How a subject is drawn, everywhere on a page alike. Each part by itself tells neighbors apart, in case the
 * others cannot be seen.
 */
export interface SubjectLook {
  readonly subject: string
  /** Class of its color (style.ts). */
  readonly color: string
  /** Of its lines: stroke-dasharray. */
  readonly dash: string
  readonly shape: MarkerShape
}

/**
 * On white and on near-black: each with a contrast of at least 3 to 1 (WCAG 2.2, 1.4.11), ordered so that
 * neighbors differ most.
 */
export const SUBJECT_COLORS: readonly { readonly light: string; readonly dark: string }[] = [
  { light: '#0b5fa5', dark: '#6db3f2' },
  { light: '#c2410c', dark: '#ff9b63' },
  { light: '#0f7a55', dark: '#56d3a4' },
  { light: '#8a3ea0', dark: '#d49bea' },
  { light: '#8a6100', dark: '#e2b33f' },
  { light: '#b5175a', dark: '#ff8cba' },
  { light: '#0e7188', dark: '#5fd0e2' },
  { light: '#55585f', dark: '#b9bdc6' },
]

const DASHES: readonly string[] = ['none', '7 3', '2 2.5', '9 3 2 3', '4 2', '12 3', '6 2 1.5 2 1.5 2']

const SHAPES: readonly MarkerShape[] = [
  'circle',
  'square',
  'triangle',
  'diamond',
  'cross',
  'wedge',
  'plus',
  'bar',
]

/**
 * In the order in which a file names them. Colors and shapes come again after eight subjects, dashes after
 * seven, so that 56 have a look of their own.
 */
export function assignLooks(file: Pick<ResultFile, 'results'>): ReadonlyMap<string, SubjectLook> {
  const looks = new Map<string, SubjectLook>()
  for (const { cases } of file.results) {
    for (const { subjects } of cases) {
      for (const { subject } of subjects)
        if (!looks.has(subject)) looks.set(subject, lookAt(looks.size, subject))
    }
  }
  return looks
}

/** Of a subject that only a ratio or an aim names. */
export function lookOf(looks: ReadonlyMap<string, SubjectLook>, subject: string): SubjectLook {
  return looks.get(subject) ?? lookAt(SUBJECT_COLORS.length - 1, subject)
}

function lookAt(index: number, subject: string): SubjectLook {
  const color = index % SUBJECT_COLORS.length
  return {
    subject,
    color: `c${color}`,
    dash: DASHES[index % DASHES.length] ?? 'none',
    shape: SHAPES[color] ?? 'circle',
  }
}
