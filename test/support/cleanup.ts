/**
 * What must not outlive this process, whatever ends it: servers and their directories. Registered work runs,
 * newest first, when the process exits; a process that is killed outright is covered by the death signal that
 * real-server.ts asks the kernel for.
 */
const pending = new Set<() => void>()
let installed = false

/** Registers synchronous work for the exit. Returns the means to take it back. */
export function onProcessExit(work: () => void): () => void {
  if (!installed) {
    installed = true
    process.on('exit', runPending)
  }
  pending.add(work)
  return () => pending.delete(work)
}

function runPending(): void {
  for (const work of [...pending].reverse()) {
    try {
      work()
    } catch {
      // The process is going: one piece that fails must not keep the others from running.
    }
  }
  pending.clear()
}
