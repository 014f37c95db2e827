import { execFile } from 'node:child_process'
import { createServer } from 'node:net'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { describe, expect, it } from 'vitest'
import { createCertificateAuthority } from '../../../src/testing/certificates.ts'
import { startQuickOrigin } from '../../../src/testing/origins.ts'
import { startMultiplexedProxy } from '../../support/multiplexed-proxy.ts'

const index = fileURLToPath(new URL('../../../dist/index.js', import.meta.url))

/** Runs a program that uses the module and never closes its transport. */
async function runProgram(body: string, options = ''): Promise<{ code: number; stdout: string }> {
  const program = `import { createTransport } from ${JSON.stringify(index)}\nconst transport = createTransport(${options})\n${body}`
  try {
    const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', program], {
      timeout: 10_000,
    })
    return { code: 0, stdout }
  } catch (error) {
    const { code, stdout } = error as { code: number; stdout: string } // what execFile rejects with
    return { code, stdout }
  }
}

function fetchFrom({ url }: { readonly url: string }): string {
  return `
    const response = await transport.request('${url}/bytes/10')
    console.log(response.status, (await response.bytes()).length)`
}

/** With what fetchFrom() prints. */
const ENDED = { code: 0, stdout: '200 10\n' }

describe('a program that forgot to close its transport', () => {
  it('ends when its work is done, pooled connections or not', async () => {
    const origin = await startQuickOrigin()
    const startedAt = performance.now()
    expect(await runProgram(fetchFrom(origin))).toEqual(ENDED)
    expect(performance.now() - startedAt).toBeLessThan(8_000) // its connection would stay for 90 s
    await origin.close()
  })

  it('ends when its work is done, though a name among its endpoints is looked up again and again', async () => {
    const origin = await startQuickOrigin()
    const options = {
      origins: {
        [origin.url]: {
          endpoints: [`localhost:${new URL(origin.url).port}`, 'shop.invalid'],
          balance: { policy: 'random' },
        },
      },
    }
    expect(await runProgram(fetchFrom(origin), JSON.stringify(options))).toEqual(ENDED)
    await origin.close()
  })

  it('ends when its work is done behind a proxy that speaks HTTP/2 as well', async () => {
    const authority = await createCertificateAuthority()
    await using proxy = await startMultiplexedProxy({
      protocol: 'h2',
      tls: await authority.issue({ names: ['127.0.0.1'] }),
    })
    const origin = await startQuickOrigin({ tls: await authority.issue({ names: ['localhost'] }) })
    const options = {
      egress: { out: { proxies: [`h2://127.0.0.1:${proxy.port}`], ca: authority.cert } },
      defaults: { egress: 'out', tls: { ca: authority.cert } },
    }
    expect(await runProgram(fetchFrom(origin), JSON.stringify(options))).toEqual(ENDED)
    await origin.close()
  })

  it('does not end while it waits for a pool that backs off, where nothing is open', async () => {
    const server = createServer().listen(0, '127.0.0.1')
    await new Promise(resolve => server.once('listening', resolve))
    const { port } = server.address() as { port: number } // a TCP server's address
    await new Promise(resolve => server.close(resolve))
    const { code, stdout } = await runProgram(`
      const error = await transport.request('http://127.0.0.1:${port}/').catch(error => error)
      console.log(error.code)`)
    expect({ code, stdout }).toEqual({ code: 0, stdout: 'MM_CONNECT_REFUSED\n' })
  })
})
