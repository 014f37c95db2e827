import { spawn } from 'node:child_process'
import { findBinary, requireBinary } from './require-binary.ts'

export interface ToolResult {
  /** Null when a signal ended it. */
  exitCode: number | null
  /** What it wrote to stdout and stderr, in the order in which it came. */
  output: string
}

export interface ToolOptions {
  /** What stands before it in the command line: see cpuPrefix. */
  prefix?: readonly string[]
  /** After this it is ended; its exit code is null then. Default 60 s. */
  timeoutMs?: number
}

/** Runs a program to its end. Rejects when it is not installed or could not be started. */
export async function runTool(
  name: string,
  args: readonly string[],
  options: ToolOptions = {},
): Promise<ToolResult> {
  const path = findBinary(name)
  if (path === undefined) throw new Error(requireBinary(name))
  const line = [...(options.prefix ?? []), path, ...args]
  const child = spawn(line[0] ?? path, line.slice(1), {
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: options.timeoutMs ?? 60_000,
    killSignal: 'SIGKILL',
  })
  let output = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('latin1').on('data', (text: string) => {
      output += text
    })
  }
  const exitCode = await new Promise<number | null>((resolve, reject) => {
    child.once('error', reject)
    child.once('close', resolve)
  })
  return { exitCode, output }
}
