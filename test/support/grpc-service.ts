import {
  type Client,
  type ClientReadableStream,
  credentials,
  Client as GrpcClient,
  type handleBidiStreamingCall,
  type handleClientStreamingCall,
  type handleServerStreamingCall,
  type handleUnaryCall,
  Metadata,
  Server,
  ServerCredentials,
  type ServiceDefinition,
  type ServiceError,
  status,
} from '@grpc/grpc-js'

const same = (bytes: Buffer): Buffer => bytes

function method(name: string, requestStream: boolean, responseStream: boolean) {
  return {
    path: `/middlemile.test.Echo/${name}`,
    requestStream,
    responseStream,
    requestSerialize: same,
    requestDeserialize: same,
    responseSerialize: same,
    responseDeserialize: same,
  }
}

/** A service without a .proto: messages are bytes. */
const ECHO = {
  unary: method('Unary', false, false),
  serverStream: method('ServerStream', false, true),
  clientStream: method('ClientStream', true, false),
  bidi: method('Bidi', true, true),
} as const satisfies ServiceDefinition

/**
 * What the metadata of a call asks of the server: `x-hang` never answers; `x-fail: NAME` fails with that
 * status, the details of `x-details` and trailing metadata; `x-start` (server streams) sends one message and
 * hangs then.
 */
export interface GrpcEchoServer extends AsyncDisposable {
  readonly port: number
  /** Calls that began, by method, and those whose client gave up. */
  readonly started: string[]
  readonly cancelled: string[]
  /** Metadata of the last call. */
  lastMetadata: Metadata
  /** Ends every connection at once. */
  kill(): void
}

export interface GrpcEchoServerOptions {
  tls?: { cert: string; key: string }
  port?: number
  /** Channel options of grpc-js, as `grpc.keepalive_time_ms`. */
  channel?: Readonly<Record<string, string | number>>
}

export async function startGrpcEchoServer(options: GrpcEchoServerOptions = {}): Promise<GrpcEchoServer> {
  const started: string[] = []
  const cancelled: string[] = []
  let lastMetadata = new Metadata()
  interface Call {
    readonly metadata: Metadata
    sendMetadata(metadata: Metadata): void
    on(event: 'cancelled', listener: () => void): unknown
  }
  /** Notes the call and says what its metadata asks for. */
  const begin = (name: string, call: Call): ServiceError | 'hang' | 'go on' => {
    started.push(name)
    lastMetadata = call.metadata
    call.on('cancelled', () => cancelled.push(name))
    const first = (key: string): string | undefined => call.metadata.get(key)[0]?.toString()
    const wanted = first('x-fail')
    if (wanted !== undefined) {
      // The test sends the name of a status; its details may be any text, which metadata may not.
      return failure(status[wanted as keyof typeof status], decodeURIComponent(first('x-details') ?? ''))
    }
    if (first('x-hang') !== undefined) return 'hang'
    const metadata = new Metadata()
    metadata.set('x-initial', 'from the server')
    call.sendMetadata(metadata)
    return 'go on'
  }

  const unary: handleUnaryCall<Buffer, Buffer> = (call, callback) => {
    const what = begin('unary', call)
    if (what === 'hang') return
    if (what === 'go on') callback(null, call.request, trailing())
    else callback(what)
  }
  const serverStream: handleServerStreamingCall<Buffer, Buffer> = call => {
    const what = begin('serverStream', call)
    if (what === 'hang') return
    if (what !== 'go on') {
      call.emit('error', what)
      return
    }
    if (call.metadata.get('x-start').length > 0) {
      call.write(Buffer.from('one'))
      return
    }
    const count = Number(call.request.toString())
    let sent = 0
    const next = (): void => {
      while (sent < count)
        if (!call.write(Buffer.from(`message ${sent++}`))) return void call.once('drain', next)
      call.end(trailing())
    }
    next()
  }
  const clientStream: handleClientStreamingCall<Buffer, Buffer> = (call, callback) => {
    const what = begin('clientStream', call)
    if (what === 'hang') return
    if (what !== 'go on') {
      callback(what)
      return
    }
    let messages = 0
    let bytes = 0
    call.on('data', (message: Buffer) => {
      messages++
      bytes += message.length
    })
    call.on('end', () => callback(null, Buffer.from(`${messages} messages, ${bytes} bytes`), trailing()))
  }
  const bidi: handleBidiStreamingCall<Buffer, Buffer> = call => {
    if (begin('bidi', call) !== 'go on') return
    call.on('data', (message: Buffer) => call.write(message))
    call.on('end', () => call.end(trailing()))
    call.on('error', () => {}) // a client that gives up is what 'cancelled' tells
  }

  const server = new Server(options.channel)
  server.addService(ECHO, { unary, serverStream, clientStream, bidi })
  const { tls } = options
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync(
      `127.0.0.1:${options.port ?? 0}`,
      tls === undefined
        ? ServerCredentials.createInsecure()
        : ServerCredentials.createSsl(null, [
            { cert_chain: Buffer.from(tls.cert), private_key: Buffer.from(tls.key) },
          ]),
      (error, port) => (error === null ? resolve(port) : reject(error)),
    )
  })
  return {
    port,
    started,
    cancelled,
    get lastMetadata() {
      return lastMetadata
    },
    kill: () => server.forceShutdown(),
    async [Symbol.asyncDispose]() {
      server.forceShutdown()
      await Promise.resolve()
    },
  }
}

function failure(code: status, details: string): ServiceError {
  return Object.assign(new Error(details), { code, details, metadata: trailing() })
}

function trailing(): Metadata {
  const metadata = new Metadata()
  metadata.set('x-trailing', 'from the end')
  metadata.set('x-trailing-bin', Buffer.from([0, 255, 10, 13]))
  return metadata
}

/** A client with a connection of its own. Close it. */
export function grpcClient(
  port: number,
  options: { ca?: string; channel?: Readonly<Record<string, string | number>> } = {},
): Client {
  const security =
    options.ca === undefined ? credentials.createInsecure() : credentials.createSsl(Buffer.from(options.ca))
  return new GrpcClient(`127.0.0.1:${port}`, security, {
    'grpc.use_local_subchannel_pool': 1,
    'grpc.ssl_target_name_override': 'localhost',
    // A test wants to see what becomes of one call.
    'grpc.enable_retries': 0,
    ...options.channel,
  })
}

export interface GrpcOutcome {
  code: number
  details: string
  messages: Buffer[]
  initial: Metadata | undefined
  trailing: Metadata
}

export interface CallOptions {
  metadata?: Readonly<Record<string, string>>
  deadlineMs?: number
}

/** A unary call to its end, whatever that is. */
export function callUnary(client: Client, message: Buffer, options: CallOptions = {}): Promise<GrpcOutcome> {
  return new Promise(resolve => {
    let reply: Buffer | undefined
    let initial: Metadata | undefined
    const call = client.makeUnaryRequest(
      ECHO.unary.path,
      same,
      same,
      message,
      metadataOf(options),
      callOptions(options),
      (_error, response) => {
        reply = response
      },
    )
    call.on('metadata', metadata => {
      initial = metadata
    })
    call.on('status', ({ code, details, metadata }) => {
      // The callback comes in the same turn, before or after.
      setImmediate(() =>
        resolve({
          code,
          details,
          messages: reply === undefined ? [] : [reply],
          initial,
          trailing: metadata,
        }),
      )
    })
  })
}

/** Reads a stream of answers to its end, whatever that is. */
export function readAll(call: ClientReadableStream<Buffer>): Promise<GrpcOutcome> {
  return new Promise(resolve => {
    const messages: Buffer[] = []
    let initial: Metadata | undefined
    call.on('metadata', (metadata: Metadata) => {
      initial = metadata
    })
    call.on('data', (message: Buffer) => messages.push(message))
    call.on('error', () => {}) // 'status' tells the same
    call.on('status', ({ code, details, metadata }) =>
      resolve({ code, details, messages, initial, trailing: metadata }),
    )
  })
}

export function callServerStream(
  client: Client,
  count: number,
  options: CallOptions = {},
): ClientReadableStream<Buffer> {
  return client.makeServerStreamRequest(
    ECHO.serverStream.path,
    same,
    same,
    Buffer.from(String(count)),
    metadataOf(options),
    callOptions(options),
  )
}

/** Sends the messages as fast as they are taken. Resolves with the one answer, or the error. */
export async function callClientStream(client: Client, messages: readonly Buffer[]): Promise<string> {
  return await new Promise((resolve, reject) => {
    const call = client.makeClientStreamRequest(
      ECHO.clientStream.path,
      same,
      same,
      new Metadata(),
      (error: ServiceError | null, reply?: Buffer) =>
        error === null ? resolve(String(reply)) : reject(error),
    )
    for (const message of messages) call.write(message)
    call.end()
  })
}

export function openBidi(client: Client, options: CallOptions = {}) {
  return client.makeBidiStreamRequest(ECHO.bidi.path, same, same, metadataOf(options), callOptions(options))
}

function metadataOf({ metadata = {} }: CallOptions): Metadata {
  const result = new Metadata()
  for (const [key, value] of Object.entries(metadata)) result.set(key, value)
  return result
}

function callOptions({ deadlineMs }: CallOptions): { deadline?: Date } {
  return deadlineMs === undefined ? {} : { deadline: new Date(Date.now() + deadlineMs) }
}

export { status as grpcStatus }
