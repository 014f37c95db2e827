import { Duplex } from 'node:stream'
import type { StreamSocket } from '../../../src/base/socket/stream-socket.ts'
import type { HeaderList, RequestBody } from '../../../src/entry/dispatch.ts'
import type { TransportError } from '../../../src/index.ts'
import type { IngressExchange, IngressExchangeEvents } from '../../../src/ingress/ingress-exchange.ts'

/** A client's exchange without a client: it writes down what it receives. */
export class FakeIngressExchange implements IngressExchange {
  method = 'GET'
  scheme: 'http' | 'https' = 'http'
  targetScheme: 'http' | 'https' | undefined
  authority = 'shop.example'
  path = '/x?y=1'
  headers: HeaderList = ['accept', '*/*']
  body: RequestBody = null
  upgrade: string | undefined
  httpVersion = '1.1'
  remoteAddress = '192.0.2.1'
  remotePort = 50_000
  localAddress = '192.0.2.2'
  localPort = 8080
  acceptsTrailers = true
  clientCertificate: Buffer | undefined
  tls: IngressExchange['tls']
  events: IngressExchangeEvents | undefined
  /** What respondData answers. */
  takesMore = true
  /** What retract answers. */
  isRetractable = false
  /** What happened, in order. */
  readonly log: string[] = []
  readonly chunks: Buffer[] = []
  responseHeaders: HeaderList = []
  trailers: HeaderList = []
  abortedWith: TransportError | undefined
  readonly tunnel = duplexPair()

  constructor(
    changes: Partial<
      Pick<
        IngressExchange,
        | 'method'
        | 'authority'
        | 'targetScheme'
        | 'path'
        | 'headers'
        | 'upgrade'
        | 'remoteAddress'
        | 'tls'
        | 'body'
      >
    > = {},
  ) {
    Object.assign(this, changes)
  }

  respondInformational(status: number, headers: HeaderList): void {
    this.log.push(`informational ${status} ${headers.join('=')}`)
  }

  respondStart(status: number, headers: HeaderList, statusText?: string): void {
    this.log.push(`start ${status}${statusText === undefined || statusText === '' ? '' : ` ${statusText}`}`)
    this.responseHeaders = headers
  }

  respondData(chunk: Buffer, keep: (chunk: Buffer) => Buffer): boolean {
    this.log.push(`data ${chunk.toString()}`)
    this.chunks.push(this.takesMore ? Buffer.from(chunk) : keep(chunk))
    return this.takesMore
  }

  respondEnd(trailers: HeaderList): void {
    this.log.push('end')
    this.trailers = trailers
  }

  retract(): boolean {
    if (this.isRetractable) this.log.push('retract')
    return this.isRetractable
  }

  abort(error: TransportError): void {
    this.log.push(`abort ${error.code}`)
    this.abortedWith = error
  }

  acceptUpgrade(status: number, headers: HeaderList): Duplex {
    this.log.push(`upgrade ${status}`)
    this.responseHeaders = headers
    return this.tunnel.far
  }

  get responseText(): string {
    return Buffer.concat(this.chunks).toString()
  }
}

/** Two ends of one connection in memory. */
export function duplexPair(): { near: StreamSocket; far: StreamSocket } {
  const make = (other: () => Duplex): StreamSocket => {
    const duplex = new Duplex({
      read() {},
      write(chunk, _encoding, callback) {
        other().push(chunk)
        callback()
      },
      final(callback) {
        other().push(null)
        callback()
      },
    })
    return Object.assign(duplex, { ref() {}, unref() {} })
  }
  const near: StreamSocket = make(() => far)
  const far: StreamSocket = make(() => near)
  return { near, far }
}
