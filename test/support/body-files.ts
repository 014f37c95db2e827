import { closeSync, ftruncateSync, mkdirSync, openSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { volume } from './volume.ts'

/** The files that every origin serves, by path. */
export const BODY_BYTES = { '1k': 1024, '100k': 102_400, '1m': 1_048_576, '10m': 10_485_760 } as const

/** `/huge`: zeros that take no space on the disk, more than may stand in the memory of a process that passes them on. */
export const HUGE_BODY_BYTES = volume(256, 1_024) * 1_048_576

/** Writes the bodies into `directory`/www. Returns that directory. */
export function writeBodyFiles(directory: string): string {
  const www = join(directory, 'www')
  mkdirSync(www, { recursive: true })
  for (const [name, bytes] of Object.entries(BODY_BYTES)) writeFileSync(join(www, name), bodyOf(bytes))
  const huge = openSync(join(www, 'huge'), 'w')
  ftruncateSync(huge, HUGE_BODY_BYTES)
  closeSync(huge)
  return www
}

/**
 * The same bytes every time, and no two places alike, so that a piece that is lost, doubled or moved shows
 * (xorshift32).
 */
export function bodyOf(bytes: number): Buffer {
  const words = new Uint32Array(Math.ceil(bytes / 4))
  let state = 0x9e3779b9
  for (let i = 0; i < words.length; i++) {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    words[i] = state
  }
  return Buffer.from(words.buffer, 0, bytes)
}
