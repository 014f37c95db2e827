import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { expect, it } from 'vitest'
import { onProcessExit } from '../../support/cleanup.ts'
import { deathSignalPrefix } from '../../support/real-server.ts'
import { requireBinary } from '../../support/require-binary.ts'
import { requireQuic } from '../../support/require-quic.ts'

const missing = requireBinary('nginx') ?? requireQuic()
const SCRIPT = fileURLToPath(new URL('../../../scripts/soak.mjs', import.meta.url))

it.skipIf(missing !== undefined)(
  `the connector loses nothing that it need not lose at nine origins with simultaneous faults${missing === undefined ? '' : `: ${missing}`}`,
  { timeout: 240_000 },
  async () => {
    const { exitCode, output } = await runSoak(['--quick'])
    expect(output.slice(output.indexOf('failures by rule'))).toContain('soak: every rule held')
    expect(exitCode).toBe(0)
    // It was no soak if nothing happened.
    const [, requests] = /^middlemile: (\d+) requests/m.exec(output) ?? []
    expect(Number(requests)).toBeGreaterThan(500)
    expect(output).toMatch(/[1-9]\d* reloads, [1-9]\d* kills, [1-9]\d* silent restarts/)
  },
)

async function runSoak(args: readonly string[]): Promise<{ exitCode: number | null; output: string }> {
  const [command = '', ...line] = [...deathSignalPrefix(), process.execPath, SCRIPT, ...args]
  const child = spawn(command, line, { stdio: ['ignore', 'pipe', 'pipe'] })
  const forget = onProcessExit(() => child.kill('SIGTERM'))
  let output = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      output += text
    })
  }
  const [exitCode] = await once(child, 'close')
  forget()
  return { exitCode: exitCode as number | null, output } // as of ChildProcess' close event
}
