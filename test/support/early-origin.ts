import { afterAll, afterEach, beforeAll, beforeEach } from 'vitest'
import type { OriginOptions, Protocol } from '../../src/index.ts'
import { type EarlyWorld, earlyWorld, NGINX_EARLY } from './early-world.ts'
import { type Nginx, startNginx } from './nginx.ts'
import { type SwitchedPort, startSwitchedPort } from './switched-port.ts'

/** nginx that takes early data, and the way to it. */
export interface EarlyOrigin {
  /** One for the whole block. */
  readonly nginx: Nginx
  /** One for each test: it leads to nginx until the test says otherwise. */
  readonly way: SwitchedPort
}

/** Comes and goes with the block of tests that calls this; there only while its tests run. */
export function useEarlyOrigin(): EarlyOrigin {
  let nginx: Nginx | undefined
  let way: SwitchedPort | undefined
  beforeAll(async () => {
    nginx = await startNginx({ http2: true, extraServer: NGINX_EARLY })
  })
  beforeEach(async () => {
    way = await startSwitchedPort(nginx?.tlsPort ?? 0)
  })
  // Before the hooks of the block itself, since vitest takes these from the last to the first: what uses the
  // way ends before it.
  afterEach(() => way?.[Symbol.asyncDispose]())
  afterAll(() => nginx?.stop())
  return {
    get nginx() {
      return running(nginx)
    },
    get way() {
      return running(way)
    },
  }
}

/** The same with a transport, which comes with connect() and goes with its test. */
export interface EarlyOriginWithWorld extends EarlyOrigin {
  readonly world: EarlyWorld
  connect(origin?: OriginOptions): void
}

export function useEarlyWorld(protocol: Protocol): EarlyOriginWithWorld {
  const home = useEarlyOrigin()
  let world: EarlyWorld | undefined
  afterEach(async () => {
    await world?.[Symbol.asyncDispose]()
    world = undefined
  })
  return {
    get nginx() {
      return home.nginx
    },
    get way() {
      return home.way
    },
    get world() {
      return running(world)
    },
    connect(origin = {}) {
      world = earlyWorld({
        port: home.way.port,
        ca: home.nginx.certificates.ca,
        protocols: [protocol],
        origin,
      })
    },
  }
}

function running<T>(what: T | undefined): T {
  if (what === undefined) throw new Error('the origin runs within tests only')
  return what
}
