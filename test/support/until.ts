/** Waits until it is so. Throws when it takes longer than 3 s. */
export async function until(isSo: () => boolean, what: string): Promise<void> {
  const deadline = performance.now() + 3000
  while (!isSo()) {
    if (performance.now() > deadline) throw new Error(`never came about: ${what}`)
    await new Promise(resolve => setTimeout(resolve, 5))
  }
}
