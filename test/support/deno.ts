import { type FoundBinary, npmBinary } from './npm-binary.ts'

const VERSION = '2.9.6'

/** Deno, which has a client of WebTransport of its own. */
export function deno(): Promise<FoundBinary> {
  return npmBinary('Deno', `@deno/linux-x64-glibc@${VERSION}`, `deno-${VERSION}`, 'deno')
}
