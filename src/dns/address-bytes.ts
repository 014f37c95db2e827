/** How many leading bits two addresses have in common. */
export function commonBits(a: Uint8Array, b: Uint8Array): number {
  for (let at = 0; at < a.length; at++) {
    const difference = (a[at] ?? 0) ^ (b[at] ?? 0)
    if (difference !== 0) return at * 8 + Math.clz32(difference) - 24
  }
  return a.length * 8
}

/** An IP address as 16 bytes, IPv4 as `::ffff:a.b.c.d`. The text is an address, without a zone. */
export function addressBytes(text: string): Uint8Array {
  const bytes = new Uint8Array(16)
  const quad = /(\d+)\.(\d+)\.(\d+)\.(\d+)$/.exec(text)
  const hex =
    quad === null
      ? text
      : `${text.includes(':') ? '' : '::ffff:'}${text.slice(0, quad.index)}${group(quad[1], quad[2])}:${group(quad[3], quad[4])}`
  const [head = '', tail] = hex.split('::')
  const before = head === '' ? [] : head.split(':')
  const after = tail === undefined || tail === '' ? [] : tail.split(':')
  const write = (groups: readonly string[], start: number): void => {
    for (const [index, each] of groups.entries()) {
      const value = Number.parseInt(each, 16)
      bytes[start + index * 2] = value >> 8
      bytes[start + index * 2 + 1] = value & 0xff
    }
  }
  write(before, 0)
  write(after, 16 - after.length * 2)
  return bytes
}

function group(high = '0', low = '0'): string {
  return (Number(high) * 256 + Number(low)).toString(16)
}
