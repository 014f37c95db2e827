import type { MicroSuite } from './suite.ts'

/** By name. A process loads only the one that it measures. */
export const SUITES: Readonly<Record<string, () => Promise<{ suite: MicroSuite }>>> = {
  pool: () => import('./suites/pool.ts'),
  http1: () => import('./suites/http1.ts'),
  http2: () => import('./suites/http2.ts'),
  http3: () => import('./suites/http3.ts'),
  hpack: () => import('./suites/hpack.ts'),
  qpack: () => import('./suites/qpack.ts'),
  select: () => import('./suites/select.ts'),
}

export async function loadSuite(name: string): Promise<MicroSuite> {
  const load = SUITES[name]
  if (load === undefined) throw new Error(`no micro bench called ${name}: ${Object.keys(SUITES).join(', ')}`)
  return (await load()).suite
}
