/** Tells a callback what became of a promise of a number of bytes. */
export async function reportWhenDone(
  promise: Promise<number>,
  done: (bytes: number, error?: unknown) => void,
): Promise<void> {
  let bytes: number
  try {
    bytes = await promise
  } catch (error) {
    done(0, error)
    return
  }
  done(bytes)
}
