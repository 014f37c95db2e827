const PATIENCE_MS = 10_000

/** Waits until it is so. Throws when it takes longer than a busy machine may need. */
export async function until(isSo: () => boolean, what: string): Promise<void> {
  const deadline = performance.now() + PATIENCE_MS
  while (!isSo()) {
    if (performance.now() > deadline) throw new Error(`never came about: ${what}`)
    await new Promise(resolve => setTimeout(resolve, 5))
  }
}

/** Waits until the value has stood still for so many looks, each in a turn of its own, and tells it. */
export async function untilSteady<T>(read: () => T, what: string, looks = 30): Promise<T> {
  let last = read()
  let same = 0
  await until(() => {
    const now = read()
    same = now === last ? same + 1 : 0
    last = now
    return same >= looks
  }, `an end to the changes of ${what}`)
  return last
}
