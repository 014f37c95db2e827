#!/usr/bin/env node
import { main } from './cli/main.ts'
import { processIo } from './cli/process-io.ts'

// Timers of the transport do not keep a process alive (a pool that waits before its next connect has nothing
// else): the command does.
const alive = setInterval(() => {}, 2 ** 30)
process.exitCode = await main(process.argv.slice(2), processIo())
clearInterval(alive)
