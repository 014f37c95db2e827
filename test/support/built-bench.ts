import type { startClient } from '../../src/bench/load/start-client.ts'
import { deathSignalPrefix } from './real-server.ts'

/** Where the build has a file of src/bench/. `npm test` compiles it before the tests. */
export function builtBench(path: string): string {
  return new URL(`../../dist/bench/${path}.js`, import.meta.url).href
}

/** startClient of the build, since the program that it starts is compiled. It ends with this process. */
export async function startBuiltClient(
  options: Parameters<typeof startClient>[0],
): ReturnType<typeof startClient> {
  const module: { startClient: typeof startClient } = await import(builtBench('load/start-client'))
  return await module.startClient({ prefix: deathSignalPrefix(), ...options })
}
