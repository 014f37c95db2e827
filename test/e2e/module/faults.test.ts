import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { expect, it } from 'vitest'
import { startQuickOrigin } from '../../../src/testing/origins.ts'
import { compileSources } from '../../support/compiled-sources.ts'

it('a program that uses the module survives a defect in an event of a socket', async () => {
  const origin = await startQuickOrigin()
  const compiled = await compileSources({ index: 'index.ts', readPort: 'base/socket/read-port.ts' })
  // Stands for a defect: the first read of the process is not understood.
  const program = `
    import { createTransport } from '${compiled.index}'
    import { ReadPort } from '${compiled.readPort}'
    const { attach } = ReadPort.prototype
    let isBroken = true
    ReadPort.prototype.attach = function (receiver) {
      attach.call(this, {
        onFault: error => receiver.onFault(error),
        onRead(...read) {
          if (!isBroken) return receiver.onRead(...read)
          isBroken = false
          throw new TypeError('a defect in an event')
        },
      })
    }
    process.on('warning', ({ name, message }) => console.log(name, message.split('\\n', 1)[0]))
    const transport = createTransport()
    for (let i = 0; i < 2; i++) {
      const answer = await transport.request('${origin.url}/').catch(error => error)
      console.log(answer.code ?? answer.status, answer.message ?? '')
    }
    await transport.close()`
  const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', program], {
    timeout: 30_000,
  })
  expect(
    stdout
      .split('\n')
      .map(line => line.trim())
      .filter(Boolean)
      .sort(),
  ).toEqual([
    '200',
    'MM_INTERNAL reading from an origin failed: a defect in an event',
    'MiddlemileFault reading from an origin: TypeError: a defect in an event',
  ])
  await origin.close()
})
