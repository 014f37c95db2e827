import { createRequire } from 'node:module'
import { packageRequire } from '../../base/package-require.ts'
import type { QuicheBinding } from './binding.ts'

/** The line of versions that the rest was written and measured against. Another quiche has other traps. */
const SUPPORTED_VERSION = /^2\.0\.(?:9|[1-9]\d)$/

/** The packages with a build, by `process.platform`-`process.arch`, in the order in which they are tried. */
const BUILDS: Readonly<Record<string, readonly string[]>> = {
  'linux-x64': ['linux-x64'],
  'darwin-x64': ['darwin-x64', 'darwin-universal'],
  'darwin-arm64': ['darwin-arm64', 'darwin-universal'],
  'win32-x64': ['win32-x64'],
}

const MAX_REASON_LENGTH = 200

export type LoadedBinding =
  | { readonly binding: QuicheBinding; readonly version: string }
  | { readonly unavailable: string }

export interface BindingSource {
  /**
   * Of a package or file, as seen from where the source stands. Throws an error with the code
   * MODULE_NOT_FOUND.
   */
  require(id: string): unknown
  /** The same, seen from a file of a package: optional builds may lie below `@matrixai/quic` only. */
  from(id: string): BindingSource
}

/**
 * Loads the native half without the JavaScript of `@matrixai/quic`, which brings a dozen packages that nobody
 * here needs. Never throws: without it everything but HTTP/3 works.
 */
export function loadBinding(
  source: BindingSource = nodeSource(packageRequire()),
  platform: string = `${process.platform}-${process.arch}`,
): LoadedBinding {
  let version: string
  try {
    version = versionOf(source.require('@matrixai/quic/package.json'))
  } catch (error) {
    if (isNotFound(error)) return { unavailable: '@matrixai/quic is not installed' }
    return { unavailable: `@matrixai/quic cannot be read: ${textOf(error)}` }
  }
  if (!SUPPORTED_VERSION.test(version)) {
    return {
      unavailable: `@matrixai/quic ${version} is not the version that this build was made for (2.0.9)`,
    }
  }
  const builds = BUILDS[platform]
  if (builds === undefined) return { unavailable: `@matrixai/quic has no build for ${platform}` }
  const inside = source.from('@matrixai/quic/package.json')
  let reason = ''
  for (const build of builds) {
    try {
      const binding = inside.require(`@matrixai/quic-${build}`)
      if (isBinding(binding)) return { binding, version }
      reason ||= `@matrixai/quic-${build} is not the binding of version 2.0.9`
    } catch (error) {
      if (!isNotFound(error)) reason ||= `@matrixai/quic-${build} cannot be loaded: ${textOf(error)}`
    }
  }
  return { unavailable: reason || `@matrixai/quic-${builds[0]} is not installed` }
}

function nodeSource(require: NodeJS.Require): BindingSource {
  return { require, from: id => nodeSource(createRequire(require.resolve(id))) }
}

function versionOf(manifest: unknown): string {
  const isManifest = typeof manifest === 'object' && manifest !== null && 'version' in manifest
  return isManifest ? String(manifest.version) : 'without a version'
}

function isBinding(value: unknown): value is QuicheBinding {
  if (typeof value !== 'object' || value === null) return false
  return ['Config', 'Connection', 'Header', 'negotiateVersion', 'retry'].every(name => name in value)
}

function isNotFound(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'MODULE_NOT_FOUND'
}

/** Messages of dlopen are long and name paths of the machine in full. */
function textOf(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error)
  const [line = ''] = text.split('\n')
  return line.length > MAX_REASON_LENGTH ? `${line.slice(0, MAX_REASON_LENGTH)}…` : line
}
