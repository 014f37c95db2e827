import { request } from 'node:http'

const COUNT = 5

/** Asks the connector a few times as a client would, one after the other, and says what each took. */
export async function makeRequests(url: string, host: string): Promise<string> {
  const tookMs: number[] = []
  for (let i = 0; i < COUNT; i++) {
    const startedAt = performance.now()
    await ask(url, host)
    tookMs.push(performance.now() - startedAt)
  }
  const took = tookMs.map(ms => ms.toFixed(0)).join(', ')
  return `Nobody asked for 10 s: ${COUNT} requests to ${host} were made, and took ${took} ms.`
}

function ask(url: string, host: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const sent = request(url, { headers: { host }, timeout: 5_000 }, response => {
      response.resume().on('end', resolve).on('error', reject)
    })
    sent.on('timeout', () => sent.destroy(new Error('no answer within 5 s')))
    sent.on('error', reject).end()
  })
}
