/**
 * Answers each message of the parent, which is a job, with its report or with why there is none. The process
 * lives as long as its IPC channel.
 */
export function serveJobs(run: (job: never) => Promise<object>): void {
  process.on('message', job => {
    run(job as never).then(
      // its parent sends what it takes
      report => process.send?.({ report }),
      (error: unknown) =>
        process.send?.({
          failure: error instanceof Error ? (error.stack ?? error.message) : String(error),
        }),
    )
  })
  process.once('disconnect', () => process.exit(0))
  process.send?.('ready')
}
