import { join } from 'node:path'
import {
  LINK_ADDRESSES,
  type LossyLink,
  requireLossyLink,
  startLossyLink,
} from '../../../test/support/lossy-link.ts'
import { requireBinary } from '../../../test/support/require-binary.ts'
import { runTool } from '../../../test/support/run-tool.ts'
import { repositoryRoot } from '../repository.ts'

/** The helper's source: the bench runs from a compiled copy, where it does not lie. */
export const LINK_SOURCE: string = join(repositoryRoot, 'test', 'support', 'lossy-link', 'lossy-link.c')

/** How the kernel's TCP reacts to losses. Other implementations, QUIC among them, have their own. */
export type CongestionControl = 'cubic' | 'bbr'

/** Undefined where it can be made, else the reason to skip. */
export function requireLossyPath(): string | undefined {
  return requireLossyLink() ?? requireBinary('ip', 'caddy')
}

/**
 * A lossy link whose TCP has that congestion control at both ends. It is an attribute of the route: the
 * default of a namespace can only be set to what the whole machine allows its users.
 */
export async function startLossyPath(
  delayMs: number,
  congestionControl: CongestionControl,
): Promise<LossyLink> {
  const link = await startLossyLink(delayMs, LINK_SOURCE)
  try {
    for (const end of ['client', 'server'] as const) {
      const route = [
        '10.78.0.0/24',
        'dev',
        'link',
        'proto',
        'kernel',
        'scope',
        'link',
        'src',
        LINK_ADDRESSES[end],
      ]
      const { exitCode, output } = await runTool(
        'ip',
        ['route', 'replace', ...route, 'congctl', congestionControl],
        { prefix: link.prefix(end) },
      )
      if (exitCode !== 0) throw new Error(`no congestion control called ${congestionControl}: ${output}`)
    }
    return link
  } catch (error) {
    await link[Symbol.asyncDispose]()
    throw error
  }
}
