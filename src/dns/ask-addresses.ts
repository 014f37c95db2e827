import type { Clock, Timer } from '../base/clock.ts'
import { asTransportError, TransportError } from '../base/errors.ts'
import type { DnsClient } from './client/dns-client.ts'
import { type FoundAddresses, noAddress } from './found-addresses.ts'
import { type LookedUpAddress, readAddresses } from './records/address-answers.ts'
import type { DnsReply, DnsType } from './records/dns-message.ts'

/**
 * How long the second of two families is waited for when the first one is there. RFC 8305 section 3 has 50 ms
 * for a connection that waits; what is found here is kept, too. A server that never answers one of the types
 * costs no more than this.
 */
const FAMILY_WAIT_MS = 250
/** What nobody says how long it may be believed: until it is asked for again. */
const UNKNOWN_TTL_SECONDS = 0

/** What became of one family. */
type FamilyAnswer =
  | { readonly kind: 'found'; readonly addresses: readonly LookedUpAddress[] }
  | { readonly kind: 'none'; readonly because: string; readonly ttlSeconds: number }
  | { readonly kind: 'failed'; readonly error: TransportError }

/** Asks for both families of one name at once. Never rejects. IPv6 comes first, as for getaddrinfo. */
export async function askAddresses(
  client: Pick<DnsClient, 'query'>,
  name: string,
  clock: Clock,
): Promise<FoundAddresses> {
  const over = new AbortController()
  const [v6, v4] = await bothOrOne(
    askFamily(client, name, 'AAAA', over.signal),
    askFamily(client, name, 'A', over.signal),
    clock,
  )
  over.abort()
  const answers = [v6, v4].filter(answer => answer !== undefined)
  const found = answers.flatMap(answer => (answer.kind === 'found' ? answer.addresses : []))
  const failure = answers.find(answer => answer.kind === 'failed')
  const isPartial = failure !== undefined || answers.length < 2
  if (found.length > 0) {
    const ttlMs = Math.min(...found.map(({ ttlSeconds }) => ttlSeconds)) * 1000
    const addresses = found.map(({ address, family }) => ({ address, family }))
    return { kind: 'found', addresses, source: isPartial ? 'dns-partial' : 'dns', ttlMs }
  }
  if (failure !== undefined) return { kind: 'failed', error: failure.error }
  const none = answers.flatMap(answer => (answer.kind === 'none' ? [answer] : []))
  const ttlMs = Math.min(...none.map(({ ttlSeconds }) => ttlSeconds)) * 1000
  const because = none[0]?.because ?? `${name} has no address`
  return noAddress(name, because, ttlMs)
}

async function askFamily(
  client: Pick<DnsClient, 'query'>,
  name: string,
  type: DnsType,
  signal: AbortSignal,
): Promise<FamilyAnswer> {
  let reply: DnsReply
  try {
    reply = await client.query({ name, type }, signal)
  } catch (error) {
    return { kind: 'failed', error: asTransportError(error, 'MM_DNS_FAILED', 'no') }
  }
  const addresses = readAddresses(reply, name)
  if (typeof addresses === 'string')
    return { kind: 'failed', error: new TransportError('MM_DNS_FAILED', addresses) }
  if (addresses.length > 0) return { kind: 'found', addresses }
  const because = reply.doesExist ? `${name} has no address` : `${name} does not exist`
  return { kind: 'none', because, ttlSeconds: reply.negativeTtlSeconds ?? UNKNOWN_TTL_SECONDS }
}

/** Both, or the one that found addresses while the other one takes longer than is waited for. */
function bothOrOne(
  first: Promise<FamilyAnswer>,
  second: Promise<FamilyAnswer>,
  clock: Clock,
): Promise<readonly [FamilyAnswer | undefined, FamilyAnswer | undefined]> {
  return new Promise((resolve, reject) => {
    const answers: [FamilyAnswer | undefined, FamilyAnswer | undefined] = [undefined, undefined]
    let timer: Timer | undefined
    const onAnswer = (index: 0 | 1, answer: FamilyAnswer): void => {
      answers[index] = answer
      if (answers[0] !== undefined && answers[1] !== undefined) {
        timer?.cancel()
        resolve(answers)
      } else if (answer.kind === 'found') {
        timer = clock.setTimer(FAMILY_WAIT_MS, () => {
          // A loop that stood still runs its timers before it reads what has come meanwhile.
          timer = clock.setTimer(0, () => resolve([...answers]))
        })
      }
    }
    first.then(answer => onAnswer(0, answer)).catch(reject)
    second.then(answer => onAnswer(1, answer)).catch(reject)
  })
}
