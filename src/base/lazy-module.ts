import { createRequire } from 'node:module'

/**
 * A dependency in CommonJS that is loaded by the first call, and not with whoever imports this: a program
 * that never needs it does not pay for it (undici takes half as long as all of middlemile). It does not wait,
 * unlike import().
 */
export function lazyModule<Module>(load: (require: NodeJS.Require) => Module): () => Module {
  let loaded: Module | undefined
  return () => (loaded ??= load(createRequire(import.meta.url)))
}
