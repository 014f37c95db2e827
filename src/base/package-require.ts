import { createRequire } from 'node:module'

/**
 * Node's `require`, as seen from this package; in a program that was bundled, from the bundle. Bundles in
 * CommonJS form have no `import.meta.url` (esbuild leaves it undefined), but the name of their file.
 */
export function packageRequire(): NodeJS.Require {
  const url: string | undefined = import.meta.url
  return createRequire(url ?? __filename)
}

/** The version of this package, by its own manifest; `unknown` in a bundle that has no package beside it. */
export function packageVersion(): string {
  try {
    const manifest = packageRequire()('middlemile/package.json') as { version: string } // as npm has it
    return manifest.version
  } catch {
    return 'unknown'
  }
}

/**
 * A dependency in CommonJS that is loaded by the first call, and not with whoever imports this: a program
 * that never needs it does not pay for it. It does not wait, unlike import(). The build takes the dependency
 * into the bundle, where it is as lazy (scripts/build.mjs).
 */
export function lazyModule<Module>(load: (require: NodeJS.Require) => Module): () => Module {
  let loaded: Module | undefined
  return () => (loaded ??= load(packageRequire()))
}
