import { startOrigins } from './demo-origins.ts'

// The origins take as long to start as the connector takes to load: at once, where there are two processors.
const args = process.argv.slice(2)
const origins = args.length === 0 ? startOrigins(new URL('./origins-process.js', import.meta.url)) : undefined
origins?.catch(() => {}) // whoever waits for them says so
const { runDemo } = await import('./show.ts')
await runDemo(args, origins)
