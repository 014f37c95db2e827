import { isIP } from 'node:net'
import { TransportError } from '../../base/errors.ts'
import { pinnedHashes } from '../../base/options/pinned-hashes.ts'
import type { AcceptPolicy, DrivenConnection, DrivenEngine, ServerPolicy } from '../driven-connection.ts'
import type { PacketHeader, QuicAcceptOptions, QuicConnectOptions } from '../engine.ts'
import {
  type NativeConfig,
  type NativeConnection,
  type NativeHeader,
  type QuicheBinding,
  resetTokenNumber,
} from './binding.ts'
import { nativeError } from './connection-end.ts'
import { KeylogFile } from './keylog-file.ts'
import { QuicheConfigs } from './quiche-config.ts'
import { QuicheConnection } from './quiche-connection.ts'
import { openTicket } from './ticket-envelope.ts'

const MIN_ID_BYTES = 8
const MAX_ID_BYTES = 20
/** RFC 9000 14.1: the answers to one Initial fit into its size. */
const REPLY_BYTES = 1200

/** quiche 0.18.0 as a QuicEngine. `wallClock` decides whether certificates are valid. */
export class QuicheEngine implements DrivenEngine {
  readonly name: string
  readonly #binding: QuicheBinding
  readonly #configs: QuicheConfigs
  readonly #wallClock: () => number

  constructor(binding: QuicheBinding, version: string, wallClock: () => number = Date.now) {
    this.name = `quiche 0.18.0 (@matrixai/quic ${version})`
    this.#binding = binding
    this.#configs = new QuicheConfigs(binding)
    this.#wallClock = wallClock
  }

  connect(options: QuicConnectOptions): DrivenConnection {
    const { tls, quic, protocols, local, remote, connectionId, serverName } = options
    checkId(connectionId)
    const allowsSecondPath = options.allowsSecondPath ?? false
    const wantsEarlyData = options.earlyData === true && options.ticket !== undefined
    const hasKeylog = options.keylog !== undefined
    const { takesServerStreams = false, maxUdpPayloadBytes } = options
    const variant = {
      protocols,
      earlyData: wantsEarlyData,
      allowsSecondPath,
      keylog: hasKeylog,
      takesServerStreams,
      maxUdpPayloadBytes,
    }
    const { config, trust } = this.#configs.client(tls, quic, variant)
    // Null is a name that quiche does not check, which suits an address: it would be taken for a DNS name.
    // peer-identity.ts checks it.
    const nativeName = isIP(serverName) === 0 ? serverName : null
    const native = this.#binding.Connection.connect(nativeName, connectionId, local, remote, config)
    const keylog =
      options.keylog === undefined
        ? undefined
        : new KeylogFile(path => native.setKeylog(path), options.keylog)
    const binding = { engine: this.name, serverName, trust }
    const session = options.ticket === undefined ? undefined : openTicket(binding, options.ticket)
    const isResuming = session !== undefined && resume(native, session)
    return new QuicheConnection({
      native,
      shutdown: this.#binding.Shutdown,
      role: 'client',
      local,
      remote,
      quic,
      allowsSecondPath,
      connectionId,
      protocols,
      client: {
        serverName,
        rejectUnauthorized: tls.rejectUnauthorized ?? true,
        pinned: tls.certificateHashes && pinnedHashes(tls.certificateHashes),
        earlyData: wantsEarlyData && isResuming,
        binding,
        wallClock: this.#wallClock,
      },
      keylog,
    })
  }

  accept(options: QuicAcceptOptions & AcceptPolicy): DrivenConnection {
    const { quic, protocols, local, remote, connectionId, originalConnectionId, resetToken } = options
    checkId(connectionId)
    const allowsSecondPath = options.allowsSecondPath ?? false
    const config = this.#serverConfig(options)
    const original = originalConnectionId ?? null
    const accept = (token: Buffer | undefined): NativeConnection => {
      // quiche copies what a connection announces out of its configuration.
      config.setStatelessResetToken(token === undefined ? null : resetTokenNumber(token))
      return this.#binding.Connection.accept(connectionId, original, local, remote, config)
    }
    let native: NativeConnection
    try {
      native = accept(resetToken)
    } catch (error) {
      // quiche has 128 bytes for transport parameters, and behind a Retry they name two more connection ids.
      if (resetToken === undefined || nativeError(error).name !== 'BufferTooShort') throw error
      native = accept(undefined)
    }
    const shutdown = this.#binding.Shutdown
    const common = { native, shutdown, local, remote, quic, allowsSecondPath, protocols }
    return new QuicheConnection({ ...common, role: 'server', client: undefined, keylog: undefined })
  }

  checkServer(options: ServerPolicy): void {
    this.#serverConfig(options)
  }

  #serverConfig({ tls, quic, protocols, allowsSecondPath = false }: ServerPolicy): NativeConfig {
    const variant = { protocols, earlyData: tls.earlyData ?? false, allowsSecondPath, keylog: false }
    return this.#configs.server(tls, quic, variant)
  }

  readHeader(datagram: Buffer, connectionIdBytes: number): PacketHeader | undefined {
    if (datagram.length === 0) return undefined
    let header: NativeHeader
    try {
      header = this.#binding.Header.fromSlice(datagram, connectionIdBytes)
    } catch {
      return undefined
    }
    const { ty, version, dcid, scid, token } = header
    return {
      isInitial: ty === this.#binding.Type.Initial,
      isLong: ty !== this.#binding.Type.Short,
      version,
      isVersionSupported: this.#binding.versionIsSupported(version),
      destinationId: Buffer.from(dcid),
      sourceId: Buffer.from(scid),
      token: token === undefined || token === null || token.length === 0 ? undefined : Buffer.from(token),
    }
  }

  negotiateVersion(header: PacketHeader): Buffer {
    const out = Buffer.alloc(REPLY_BYTES)
    const bytes = this.#binding.negotiateVersion(header.sourceId, header.destinationId, out)
    return out.subarray(0, bytes)
  }

  retry(header: PacketHeader, newConnectionId: Buffer, token: Buffer): Buffer {
    const out = Buffer.alloc(REPLY_BYTES)
    const { sourceId, destinationId, version } = header
    const bytes = this.#binding.retry(sourceId, destinationId, newConnectionId, token, version, out)
    return out.subarray(0, bytes)
  }
}

/** Before anything else is done with the connection: after its first send this would end the process. */
function resume(native: NativeConnection, session: Buffer): boolean {
  try {
    native.setSession(session)
    return true
  } catch (error) {
    // TlsFail: written by another BoringSSL. BufferTooShort. The connection can be used, and makes a full
    // handshake.
    return nativeError(error).name === 'Done'
  }
}

function checkId(id: Buffer): void {
  if (id.length < MIN_ID_BYTES || id.length > MAX_ID_BYTES) {
    throw new TransportError(
      'MM_INVALID_ARGUMENT',
      `a connection id has ${MIN_ID_BYTES} to ${MAX_ID_BYTES} bytes`,
    )
  }
}
