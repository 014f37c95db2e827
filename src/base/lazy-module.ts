import { packageRequire } from './package-require.ts'

/**
 * A dependency in CommonJS that is loaded by the first call, and not with whoever imports this: a program
 * that never needs it does not pay for it. It does not wait, unlike import(). The build takes the dependency into
 * the bundle, where it is as lazy (scripts/build.mjs).
 */
export function lazyModule<Module>(load: (require: NodeJS.Require) => Module): () => Module {
  let loaded: Module | undefined
  return () => (loaded ??= load(packageRequire()))
}
