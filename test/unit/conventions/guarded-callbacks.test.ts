import { readdirSync, readFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'

/**
 * Nothing that the event loop calls of ours may end the process: each callback that is given to it passes
 * through guard.ts, or stands here with the reason why it need not. (Timers of a Clock are guarded by the
 * clock; rejections by the rule no-floating-promises of the linter, and by guardedPromise.)
 */

const src = fileURLToPath(new URL('../../../src', import.meta.url))

/** Instruments of a developer: a defect in them is to end them, loudly. */
const INSTRUMENTS = /^(bench|impair|demo|testing)\//

/** Where a callback is given to the loop, or to an emitter. */
const SITE =
  /(?:\.(?:on|once|addListener|prependListener|prependOnceListener|addEventListener)\(\s*'[^']*'|\bset(?:Timeout|Interval|Immediate)\(|\bqueueMicrotask\(|\bprocess\.nextTick\(|^\s*void [\w#.]+\()/gm

/** Nothing in these can throw: Node catches what destroy() runs into. */
const HARMLESS = [
  /^\(\) => \{\}$/,
  /^\(?\w*\)? => void \((this\.#)?\w+ = \w+\)$/,
  /^\(\) => (this\.#)?[\w.]+\.(destroy|cancel|delete)\(\w*\)$/,
  /^(ignoreError|ignoreEnd|endBroken)$/,
]

/** `file: callback` and why it needs no guard. */
const ALLOWED: Readonly<Record<string, string>> = {
  'base/after-poll.ts: guardedImmediate': 'is a guard',
  'cli.ts: () => {}': 'keeps the process alive',
  'cli/bench/bench.ts: interrupt': 'a signal of an operator, to an instrument',
  'cli/process-io.ts: onOutputFailed': 'a command that nobody reads ends',
  'cli/process-io.ts: () => undefined': 'does nothing',
  'cli/serve.ts: onSignal': 'ends the process, which is what it is for',
  'cli/serve.ts: () => { starting.then(service => service.reopenLogs()).catch(reject) }':
    'its rejection is caught',
  'cli/serve.ts: () => { starting.then(service => service.reload()).catch(reject) }':
    'its rejection is caught',
  'cli/serve.ts: () => { starting.then(service => service.upgrade?.()).catch(reject) }':
    'its rejection is caught',
  'base/clock.ts: guarded': 'is the guard of every timer of a Clock',
  'base/guard.ts: () => void guarded(during, run)': 'is the guard',
  'base/guard.ts: guarded': 'is the guard',
  'base/guard.ts: () => { throw error }': 'throwLater: the error is of the caller, who is to see it',
  'ingress/streams/http2-output.ts: flushAtTurnEnd': 'catches within: #guardedFlush',
  'ingress/streams/server-http3-session.ts: flushSession': 'catches within',
  'ingress/streams/server-http3-session.ts: openHeldAtTurnEnd': 'catches within',
  'ingress/http1/socket-output.ts: flushAtEndOfTick': 'catches within: onTickEnd',
  'http/http2/connection-output.ts: this.#onTurn': 'catches within: #guardedFlush',
  'ingress/listener.ts: reject': 'of a promise',
  'ingress/session-opening.ts: this.#onClose': 'cancels a timer',
  'http/multiplex/liveness.ts: asker.onAbort': 'was made by guardedListener()',
  'base/socket/socket-ending.ts: resolve': 'of a promise',
  'origin/coalescing/pending-dials.ts: giveUp': 'of a promise',
  'base/socket/read-port.ts: (chunk: Buffer) => { port.#givenAway = true if (!port.#deliver(chunk, 0, chunk.length)) socket.pause() }':
    'catches within: #deliver',
  'service/admin/admin-server.ts: reject': 'of a promise',
  'service/admin/admin-server.ts: resolve': 'of a promise',
  'service/access-log/access-log.ts: onExit': 'catches within: flushAtExit',
  'service/logging/service-log.ts: onExit': 'catches within: flushAtExit',
  'connect/tcp/attempt-socket.ts: secure.keylog':
    'was guarded where it was given: guardedKeylog in origin/origin-maker.ts',
  'connect/tcp/attempt-socket.ts: this.#onClosed': 'catches within: #onFailed',
  'connect/early-data/early-handshake.ts: error => this.#end(error)':
    'passes all that it does through guarded()',
  'connect/early-data/early-handshake.ts: () => this.#end(undefined)':
    'passes all that it does through guarded()',
  'connect/early-data/early-socket.ts: this.#onTurn': 'catches within',
  'connect/early-data/early-socket.ts: this.#onSendTurn': 'catches within',
  'connect/early-data/early-socket.ts: () => callback(error)': 'is of Node, which emits a tick later',
  'quic/udp/segmented-socket.ts: closeAll': 'guards each',
  'quic/udp/segmented-socket.ts: this.#onImmediate': 'catches within',
  'quic/udp/turns.ts: this.#onImmediate':
    'turns catch within: UdpLink.#guardedTurn; what flushes does not throw',
  'service/lifecycle/process-faults.ts: this.#onUncaught': 'catches within: it is the last resort',
}

interface Site {
  readonly file: string
  readonly line: number
  readonly callback: string
}

/** From `start`, just behind an opening bracket, up to the comma or bracket that ends the argument. */
function argumentAt(text: string, start: number): string {
  let depth = 0
  for (let at = start; at < text.length; at++) {
    const character = text.charAt(at)
    if ('([{'.includes(character)) depth += 1
    else if (')]}'.includes(character)) {
      if (depth === 0) return text.slice(start, at)
      depth -= 1
    } else if (character === ',' && depth === 0) return text.slice(start, at)
  }
  return text.slice(start)
}

function sitesOf(file: string, source: string): Site[] {
  // Comments are blanked, lines stay where they are.
  const text = source
    .replaceAll(/\/\*[^]*?\*\//g, comment => comment.replaceAll(/[^\n]/g, ' '))
    .replaceAll(/(^|\s)\/\/.*$/gm, comment => comment.replaceAll(/[^\n]/g, ' '))
  return [...text.matchAll(SITE)].map(match => {
    const end = match.index + match[0].length
    const isEvent = match[0].endsWith("'")
    const isVoid = match[0].trimStart().startsWith('void ')
    const callback = isVoid ? match[0].trim() : argumentAt(text, isEvent ? text.indexOf(',', end) + 1 : end)
    return {
      file,
      line: text.slice(0, match.index).split('\n').length,
      callback: callback.trim().replaceAll(/\s+/g, ' '),
    }
  })
}

/** It is a guard, or was made by one in this file, or passes all that it does through one. */
function isGuarded({ callback }: Site, source: string): boolean {
  if (/^(guarded\w*|guard)\(/.test(callback) || /^(\(\w*\)|\w+) => guarded\w*\(/.test(callback)) return true
  if (/^(\([^)]*\)|\w+) => guarded\w+\(/.test(callback)) return true
  const name = /^(?:this\.|parts\.)?(#?\w+)(?:\.\w+)?$/.exec(callback)?.[1]
  if (name === undefined) return false
  const made = new RegExp(`${name}(?:: [^=]+)? ?[=:]\\s*(?:guarded\\w*|guard)\\(`)
  if (made.test(source)) return true
  // An arrow or a method whose whole body is a try, or a call of guarded().
  const body = new RegExp(
    `${name} = \\([^)]*\\): void => (?:\\{\\s*(?:try \\{|guarded\\w*\\()|guarded\\w*\\()`,
  )
  return body.test(source)
}

function allSites(): { site: Site; source: string }[] {
  return readdirSync(src, { recursive: true, encoding: 'utf8' })
    .filter(file => file.endsWith('.ts') && !INSTRUMENTS.test(file))
    .flatMap(file => {
      const source = readFileSync(join(src, file), 'utf8')
      return sitesOf(relative(src, join(src, file)), source).map(site => ({ site, source }))
    })
}

describe('callbacks of the event loop', () => {
  const sites = allSites()

  it('pass through the guard, or have a reason not to', () => {
    const open = sites
      .filter(({ site, source }) => !isGuarded(site, source))
      .filter(({ site: { callback } }) => !HARMLESS.some(pattern => pattern.test(callback)))
      .filter(({ site: { file, callback } }) => !Object.hasOwn(ALLOWED, `${file}: ${callback}`))
      .map(({ site: { file, line, callback } }) => `src/${file}:${line}: ${callback}`)
    expect(open).toEqual([])
  })

  it('are all found, and no reason in the list is unused', () => {
    const found = new Set(sites.map(({ site: { file, callback } }) => `${file}: ${callback}`))
    expect(Object.keys(ALLOWED).filter(place => !found.has(place))).toEqual([])
    expect(sites.length).toBeGreaterThan(100)
  })

  it.each([
    "socket.on('data', chunk => this.receive(chunk))",
    "socket\n    .once('close', () => { settle() })",
    'setTimeout(() => this.work(), 5)',
    'setImmediate(this.#onTurn)',
    'process.nextTick(flush)',
    "signal.addEventListener('abort', onAbort, { once: true })",
    'void this.work()',
  ])('are seen where they are not guarded: %s', code => {
    const [site] = sitesOf('a.ts', code)
    expect(site).toBeDefined()
    expect(site !== undefined && isGuarded(site, code)).toBe(false)
    expect(HARMLESS.some(pattern => site !== undefined && pattern.test(site.callback))).toBe(false)
  })
})
