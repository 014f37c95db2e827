// How long the tests took the last times, kept below node_modules/.cache/: what `npm test` says of how long it
// takes is measured on this machine. A file that cannot be read or written is a first run.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'

/**
 * What a file of each project takes on average, until there is a run of this machine's own: of a whole `npm test`
 * with every server installed, on a machine of 2 cores (684 files in 12 min). Without servers it is over sooner.
 */
const FIRST_RUN_FILE_MS = { unit: 104, sim: 1_940, e2e: 2_860, 'e2e-own': 4_180 }
const KEPT_RUNS = 5
const KEPT_SELECTIONS = 30

/**
 * @typedef {object} Durations
 * @property {Record<string, number>} files milliseconds of each file of tests, of its last run
 * @property {Record<string, Record<string, number>[]>} runs by the arguments of `npm test`: of its last runs,
 *   the milliseconds of each project
 */

/** @returns {Durations} */
export function readDurations(path) {
  try {
    const { files, runs } = JSON.parse(readFileSync(path, 'utf8'))
    if (typeof files === 'object' && typeof runs === 'object') return { files, runs }
  } catch {}
  return { files: {}, runs: {} }
}

/** Adds a run that came to its end. */
export function writeDurations(path, { files, runs }, selection, run) {
  const { [selection]: previous = [], ...others } = runs
  const kept = Object.entries(others).slice(1 - KEPT_SELECTIONS) // the one that was added last stands last
  const entries = [...kept, [selection, [...previous, run.projects].slice(-KEPT_RUNS)]]
  try {
    mkdirSync(dirname(path), { recursive: true })
    writeFileSync(
      path,
      JSON.stringify({ files: { ...files, ...run.files }, runs: Object.fromEntries(entries) }),
    )
  } catch {}
}

/** What so many files of a project may take on a machine that has run none of them, in ms. */
export function firstRunDuration(project, files) {
  const fileMs = FIRST_RUN_FILE_MS[project]
  return fileMs === undefined ? undefined : fileMs * files
}

/** What the projects of this selection usually take: the median of the last runs, in ms. Empty before the first. */
export function usualDurations({ runs }, selection) {
  const last = runs[selection] ?? []
  const projects = new Set(last.flatMap(run => Object.keys(run)))
  return new Map([...projects].map(name => [name, median(last.map(run => run[name]).filter(ms => ms > 0))]))
}

/**
 * The share of a project's work that is done, from 0 to 1: by the last durations of its files. One without a
 * duration counts as much as the median of the others.
 */
export function shareDone({ files }, all, done) {
  const typical = median(all.map(file => files[file]).filter(ms => ms > 0)) ?? 1
  const weight = names => names.reduce((sum, name) => sum + (files[name] ?? typical), 0)
  return weight(done) / Math.max(weight(all), 1)
}

/** 13 min; 12 s. */
export function inRoundWords(ms) {
  return inWords(
    ms < 120_000 ? Math.max(Math.round(ms / 1_000), 1) * 1_000 : Math.round(ms / 60_000) * 60_000,
  )
}

/** 8 min 40 s; 12 s; 0.4 s. */
export function inWords(ms) {
  const seconds = Math.round(ms / 1000)
  if (seconds < 60) return ms < 950 ? `${Math.max(ms / 1000, 0.1).toFixed(1)} s` : `${seconds} s`
  return `${Math.floor(seconds / 60)} min${seconds % 60 === 0 ? '' : ` ${seconds % 60} s`}`
}

function median(values) {
  return values.toSorted((a, b) => a - b)[values.length >> 1]
}
