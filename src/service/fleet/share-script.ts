import { createHash } from 'node:crypto'
import type { FleetHost, FleetStep, FleetView } from '../../state/shares/fleet-step.ts'

/** More hosts than this have no part in a ceiling. */
const MAX_HOSTS = 1_000
/** What nobody asks for any more is forgotten. */
const FORGET_MS = 7 * 24 * 3_600_000

/**
 * One FleetStep, by Redis itself. A hash for each ceiling: a field for each host, and `#`, since when and by
 * which run of Redis it is kept. Who claims more than it keeps gets what no other host has. A step with an
 * old number, of a connection that was given up, does nothing but show.
 */
export const SHARE_SCRIPT = `
local key, member, number = KEYS[1], ARGV[1], tonumber(ARGV[2])
local keeps, wants, claims, ceiling = tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6])
local lease, run, leaves = tonumber(ARGV[7]), ARGV[8], ARGV[9] == '1'
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local fields = redis.call('HGETALL', key)
local reply, since, known, own, others, hosts = { '', '' }, nil, nil, nil, 0, 0
for i = 1, #fields, 2 do
  local name, text = fields[i], fields[i + 1]
  if name == '#' then
    local at, of = string.match(text, '^(%d+) (.*)$')
    if at and (run == '' or of == run) then since = tonumber(at) end
  else
    local n, granted, _, till = string.match(text, '^(%d+) (%d+) (%d+) (%d+)$')
    if not till or tonumber(till) <= now then
      redis.call('HDEL', key, name)
    elseif name == member then
      known, own = tonumber(n), text
    else
      others, hosts = others + tonumber(granted), hosts + 1
      reply[#reply + 1], reply[#reply + 2] = name, text
    end
  end
end
if not since then
  since = now
  redis.call('HSET', key, '#', string.format('%.0f %s', now, run))
end
if not known or number > known then
  own = nil
  if leaves then
    redis.call('HDEL', key, member)
  elseif known or hosts < ${MAX_HOSTS} then
    local granted = keeps
    if claims > keeps then granted = math.min(claims, math.max(keeps, ceiling - others)) end
    own = string.format('%.0f %.0f %.0f %.0f', number, granted, wants, now + lease)
    redis.call('HSET', key, member, own)
  end
end
if own then reply[#reply + 1], reply[#reply + 2] = member, own end
redis.call('PEXPIRE', key, ${FORGET_MS})
reply[1], reply[2] = string.format('%.0f', now), string.format('%.0f', since)
return reply
`.trim()

/** What EVALSHA calls it. */
export const SHARE_SCRIPT_SHA = createHash('sha1').update(SHARE_SCRIPT).digest('hex')

/** What follows EVALSHA and its name. `run`: of Redis, as INFO says; empty: unknown. */
export function scriptArguments(
  step: FleetStep,
  { prefix, leaseMs }: { readonly prefix: string; readonly leaseMs: number },
  run: string,
): string[] {
  const { of, member, number, keeps, wants, claims, ceiling, leaves } = step
  const numbers = [number, keeps, wants, claims, ceiling, Math.round(leaseMs)].map(String)
  return ['1', `${prefix}share:${of}`, member, ...numbers, run, leaves ? '1' : '0']
}

/** Undefined: it is nothing that the script answers. */
export function parseView(reply: unknown): FleetView | undefined {
  if (!Array.isArray(reply) || reply.length < 2 || reply.length % 2 !== 0) return undefined
  const [now, since, ...fields] = reply.map(String)
  const hosts = new Map<string, FleetHost>()
  for (let at = 0; at < fields.length; at += 2) {
    const host = parseHost(fields[at + 1] ?? '')
    if (host === undefined) return undefined
    hosts.set(fields[at] ?? '', host)
  }
  if (!isTime(now) || !isTime(since)) return undefined
  return { now: Number(now), since: Number(since), hosts }
}

function parseHost(text: string): FleetHost | undefined {
  const parts = text.split(' ')
  if (parts.length !== 4 || !parts.every(isTime)) return undefined
  const [number = 0, granted = 0, wants = 0, until = 0] = parts.map(Number)
  return { number, granted, wants, until }
}

function isTime(text: string | undefined): boolean {
  return text !== undefined && /^\d{1,15}$/.test(text)
}
