import { startClient } from '../../src/bench/load/start-client.ts'
import { deathSignalPrefix } from './real-server.ts'

/** Where the build has a client of src/bench/, or its program. `npm test` builds it before the tests. */
export function builtBench(path: string): string {
  return new URL(`../../dist/${path}.js`, import.meta.url).href
}

/** A client in the program that was built. It ends with this process. */
export async function startBuiltClient(
  options: Parameters<typeof startClient>[0],
): ReturnType<typeof startClient> {
  const program = new URL(builtBench('client-process'))
  return await startClient({ prefix: deathSignalPrefix(), program, ...options })
}
