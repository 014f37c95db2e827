/**
 * A guard keeps the process alive when a callback throws, and would hide a defect from a test that does not listen for faults: here it is an
 * uncaught exception again, and fails the run.
 */
process.on('warning', warning => {
  if (warning.name === 'MiddlemileFault') throw warning
})
