import { expect } from 'vitest'
import type { CurlResult } from './curl.ts'

/** What a response of the connector's own says: status, the error of Proxy-Status, the code in the body. */
export function ownAnswer({ status, headers, body }: CurlResult): [number, string | undefined, string] {
  expect(headers['content-type']).toEqual(['application/json'])
  expect(headers['content-length']).toEqual([String(body.length)])
  expect(headers['cache-control']).toEqual(['no-store'])
  const { error, ...more } = JSON.parse(body.toString()) as { error: { code: string; message: string } }
  expect(more).toEqual({})
  expect(error.message.length).toBeGreaterThan(0)
  const proxyStatus = /^middlemile; error=(\w+)/.exec(headers['proxy-status']?.[0] ?? '')?.[1]
  return [status, proxyStatus, error.code]
}

/** The same of the raw text of one response. */
export function ownAnswerOf(text: string): [number, string | undefined, string | undefined] {
  return [
    Number(/^HTTP\/1\.1 (\d+)/.exec(text)?.[1]),
    /\r\nproxy-status: middlemile; error=(\w+)/.exec(text)?.[1],
    /"error":\{"code":"(\w+)"/.exec(text)?.[1],
  ]
}
