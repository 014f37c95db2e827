import { afterEach } from 'vitest'
import {
  createTransport,
  type OriginOptions,
  type Transport,
  TransportError,
  type TransportEvent,
} from '../../src/index.ts'
import { type ScriptedOrigin, type SeenRequest, startScriptedOrigin } from './scripted-origin.ts'

/** What tests of a transport against scripted origins share. */
export interface ScriptedRun {
  /** Called after each test, the last one first. */
  readonly toClose: (() => PromiseLike<unknown>)[]
  transportWith(defaults?: OriginOptions, events?: TransportEvent[]): Transport
  scripted(script: (request: SeenRequest) => void): Promise<ScriptedOrigin>
  /** What the promise rejects with. */
  failure(promise: Promise<unknown>): Promise<TransportError>
  textOf(transport: Transport, url: string): Promise<string>
}

/** Call it within `describe`: what is made through it is closed after each of its tests. */
export function scriptedRun(): ScriptedRun {
  const toClose: (() => PromiseLike<unknown>)[] = []
  afterEach(async () => {
    for (const close of toClose.splice(0).reverse()) await close()
  })
  const transportWith = (defaults: OriginOptions = {}, events?: TransportEvent[]): Transport => {
    const transport = createTransport({
      defaults,
      ...(events === undefined ? {} : { observer: event => void events.push(event) }),
    })
    toClose.push(() => transport.close())
    return transport
  }
  const scripted = async (script: (request: SeenRequest) => void): Promise<ScriptedOrigin> => {
    const origin = await startScriptedOrigin(script)
    toClose.push(() => origin[Symbol.asyncDispose]())
    return origin
  }
  const failure = async (promise: Promise<unknown>): Promise<TransportError> => {
    const error = await promise.then(
      () => 'fulfilled',
      (error: unknown) => error,
    )
    if (error instanceof TransportError) return error
    throw new Error(`expected a TransportError, not ${String(error)}`)
  }
  const textOf = async (transport: Transport, url: string): Promise<string> =>
    (await transport.request(url)).text()
  return { toClose, transportWith, scripted, failure, textOf }
}
