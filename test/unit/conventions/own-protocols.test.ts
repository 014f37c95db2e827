import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, it } from 'vitest'

const src = fileURLToPath(new URL('../../../src', import.meta.url))

/** Node's own client beside ours, for whoever measures. */
const PEER = join('bench', 'clients', 'node-http2.ts')

it('no file of src imports node:http2 but the one that is measured beside us: the protocol is ours', () => {
  const files = readdirSync(src, { recursive: true, encoding: 'utf8' }).filter(file => file.endsWith('.ts'))
  expect(files).toContain(join('http', 'http2', 'connection.ts'))
  const importing = files.filter(file =>
    /from ['"](node:)?http2['"]/.test(readFileSync(join(src, file), 'utf8')),
  )
  expect(importing).toEqual([PEER])
})
