// `npm start`: the connector in front of demo origins, or with `--origin URL` (or any option of `serve`) in
// front of real ones.
import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { ensureBuilt, ensureInstalled, root } from './setup.mjs'

const parent = process.ppid
ensureInstalled({ tools: false })
ensureBuilt()

const args = process.argv.slice(2)
// A file has a command of its own; the demo shows what one origin gains.
const isDemo = args.length === 0 || args.some(arg => arg === '--origin' || arg.startsWith('--origin='))
const script = isDemo ? ['demo.js', ...args] : ['cli.js', 'serve', ...args]
const [file, ...rest] = script
const child = spawn(process.execPath, [join(root, 'dist', file), ...rest], { stdio: 'inherit' })
// A terminal sends its signals to the whole group; the child decides how to end, and this process only waits
// for it.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
  process.on(signal, () => {
    if (!process.stdin.isTTY) child.kill(signal)
  })
}
// npm passes a signal on to the shell that it starts scripts with, and not every shell passes it on to us:
// then our parent is gone.
setInterval(() => {
  if (process.ppid !== parent) child.kill('SIGTERM')
}, 500).unref()
child.on('exit', (code, signal) => process.exit(code ?? (signal === null ? 1 : 128)))
