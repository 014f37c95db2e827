/**
 * A guard keeps the process alive when a callback throws, and would hide a defect from a test that does not
 * listen for faults: here it is an uncaught exception again, and fails the run. Files of one worker share its
 * process, and the one listener.
 */
const LISTENING = Symbol.for('middlemile.test.contained-faults')
const shared = globalThis as { [LISTENING]?: true }
if (shared[LISTENING] === undefined) {
  shared[LISTENING] = true
  process.on('warning', warning => {
    if (warning.name === 'MiddlemileFault') throw warning
  })
}
