import { asTransportError, callersError, TransportError } from '../base/errors.ts'
import type { Origin } from '../base/http/origin.ts'
import type { EventLoopReference } from '../origin/event-loop-reference.ts'
import type { OriginMaker } from '../origin/origin-maker.ts'
import type { OriginSettings, SettingsBook } from '../origin/origin-settings.ts'
import { checkCallNames } from './call-names.ts'
import { originAt } from './calls.ts'
import type { ConnectOptions, ConnectTarget } from './types.ts'

/** What of a transport connections need that no pool keeps. */
export interface RawParts {
  readonly maker: OriginMaker
  readonly settings: SettingsBook
  readonly hold: EventLoopReference
  readonly isClosed: boolean
}

/** How one is opened, of TCP or UDP; `origin` stands for the place. */
type OpenRaw<T> = (
  maker: OriginMaker,
  origin: Origin,
  settings: OriginSettings,
  signal: AbortSignal,
) => Promise<T>

/** Rejects with the caller's error. */
export async function connectTo<T>(
  open: OpenRaw<T>,
  { maker, settings, hold, isClosed }: RawParts,
  target: ConnectTarget,
  options: ConnectOptions,
): Promise<T> {
  checkCallNames('connect', options)
  const { signal = new AbortController().signal } = options
  if (isClosed) throw new TransportError('MM_TRANSPORT_CLOSED', 'the transport was closed or is draining')
  const origin = originAt(target)
  const applied = settings.settingsFor(origin)
  try {
    return await hold.during(open(maker, origin, applied, signal))
  } catch (error) {
    throw callersError(asTransportError(error, 'MM_CONNECT_FAILED', 'no'))
  }
}
