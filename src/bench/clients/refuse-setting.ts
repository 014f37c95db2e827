import type { ClientSetting } from '../load/bench-client.ts'

/** Throws, with the reason, for what a library cannot do that is not ours. */
export function refuseSetting(
  name: string,
  { protocols = [], stateDirectory, earlyData, fastOpen }: ClientSetting,
  spoken: readonly string[],
): void {
  const strange = protocols.find(protocol => !spoken.includes(protocol))
  if (strange !== undefined) throw new Error(`${name} does not speak ${strange}`)
  if (protocols.length > 1) throw new Error(`${name} speaks one protocol at a time`)
  if (stateDirectory !== undefined) throw new Error(`${name} keeps no tickets beyond its end`)
  if (earlyData === true) throw new Error(`${name} sends no early data`)
  if (fastOpen === true) throw new Error(`${name} has no TCP Fast Open`)
}
