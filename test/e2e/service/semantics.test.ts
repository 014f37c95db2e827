import { describe, expect, it } from 'vitest'
import { curl } from '../../support/curl.ts'
import { ownAnswer } from '../../support/own-answer.ts'
import { requireBinary } from '../../support/require-binary.ts'
import { startScriptedOrigin } from '../../support/scripted-origin.ts'
import { startConnector } from '../../support/start-connector.ts'

const noCurl = requireBinary('curl')

const OK = 'HTTP/1.1 200 OK\r\n'

/** What HTTP says of messages that pass through, from a client's socket to an origin's and back. */
describe.skipIf(noCurl !== undefined)('among messages on their way through', () => {
  it.each([
    ['the first chunk size', `${OK}transfer-encoding: chunked\r\n\r\nnonsense\r\n`],
    ['a chunk size behind a chunk', `${OK}transfer-encoding: chunked\r\n\r\n2\r\nok\r\nnonsense\r\n`],
  ])('a body that is malformed in the first packet becomes a 502: %s', async (_what, answer) => {
    await using origin = await startScriptedOrigin(({ socket }) => void socket.end(answer))
    await using connector = await startConnector({ origins: { origin: { url: origin.url } } })
    const response = await curl([`${connector.url}/`, '-X', 'POST', '-d', 'x'])
    expect([response.exitCode, response.status]).toEqual([0, 502])
    expect(ownAnswer(response)[1]).toBe('http_protocol_error')
  })

  it('a 426 keeps its Upgrade towards HTTP/1.1, and has none towards HTTP/2', async () => {
    await using origin = await startScriptedOrigin(({ socket }) =>
      socket.write(
        'HTTP/1.1 426 Upgrade Required\r\nConnection: Upgrade\r\nUpgrade: websocket\r\ncontent-length: 0\r\n\r\n',
      ),
    )
    await using connector = await startConnector({ origins: { origin: { url: origin.url } } })
    const first = await curl([`${connector.url}/`])
    expect([first.status, first.headers['upgrade'], first.headers['connection']]).toEqual([
      426,
      ['websocket'],
      ['upgrade'],
    ])
    const second = await curl([`${connector.url}/`, '--http2-prior-knowledge'])
    expect([second.status, second.headers['upgrade']]).toEqual([426, undefined])
  })

  it('TE: trailers goes to an origin for a client that sends it, and trailers to no other client', async () => {
    const heads: string[] = []
    await using origin = await startScriptedOrigin(({ socket, head }) => {
      heads.push(head)
      socket.write(`${OK}transfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nx-sum: 1\r\n\r\n`)
    })
    await using connector = await startConnector({ origins: { origin: { url: origin.url } } })
    const willing = await curl([`${connector.url}/`, '--raw', '-H', 'TE: trailers', '-H', 'Connection: TE'])
    const unwilling = await curl([`${connector.url}/`, '--raw'])
    expect(willing.body.toString()).toContain('x-sum: 1')
    expect(unwilling.body.toString()).not.toContain('x-sum')
    expect(heads.map(head => /\r\nte: trailers/i.test(head))).toEqual([true, false])
  })

  it('a client cannot send fields in our name by an underscore', async () => {
    const heads: string[] = []
    await using origin = await startScriptedOrigin(({ socket, head }) => {
      heads.push(head)
      socket.write(`${OK}content-length: 0\r\n\r\n`)
    })
    await using connector = await startConnector({ origins: { origin: { url: origin.url } } })
    await curl([`${connector.url}/`, '-H', 'X_Forwarded_For: 1.2.3.4', '-H', 'x-kept: 1'])
    expect(heads[0]).toContain('x-kept: 1')
    expect(heads[0]).not.toMatch(/x_forwarded_for|1\.2\.3\.4/i)
    await using passing = await startConnector({
      ingress: { underscoredFields: 'pass' },
      origins: { origin: { url: origin.url } },
    })
    await curl([`${passing.url}/`, '-H', 'X_Forwarded_For: 1.2.3.4'])
    expect(heads[1]).toContain('x_forwarded_for: 1.2.3.4')
  })

  it('a coding that we do not decode becomes a 501', async () => {
    await using origin = await startScriptedOrigin(({ socket }) => void socket.end())
    await using connector = await startConnector({ origins: { origin: { url: origin.url } } })
    const response = await curl([`${connector.url}/`, '-d', 'x', '-H', 'Transfer-Encoding: gzip, chunked'])
    expect(response.status).toBe(501)
    expect(origin.requests).toEqual([])
  })
})
