import dns from 'node:dns'
import { readFileSync, statSync } from 'node:fs'
import { hostname } from 'node:os'
import type { Clock } from '../base/clock.ts'
import { type DnsServer, parseDnsServer } from './client/dns-server.ts'
import {
  type HostsTable,
  isForSystem,
  parseHosts,
  parseResolvConf,
  type ResolvConf,
  systemOnlyBecause,
} from './name-files.ts'

/** Files of this machine that say how names are resolved. */
export interface NameFiles {
  readonly hosts: string
  readonly resolvConf: string
  readonly nsswitch: string
}

const SYSTEM_FILES: NameFiles = {
  hosts:
    process.platform === 'win32'
      ? `${process.env['SystemRoot'] ?? 'C:\\Windows'}\\System32\\drivers\\etc\\hosts`
      : '/etc/hosts',
  resolvConf: '/etc/resolv.conf',
  nsswitch: '/etc/nsswitch.conf',
}

/** A file is looked at again after so long, when somebody asks. */
const CHECK_MS = 1_000
/** What is longer is not read; blocklists of half a million names have some 15 MB. */
const MAX_FILE_BYTES = 33_554_432
/** Where each of them is set, glibc resolves otherwise (resolver(3), gethostbyname(3)). */
const VARIABLES = ['LOCALDOMAIN', 'RES_OPTIONS', 'HOSTALIASES']

/** The configuration of this machine's names, as it is now: files are read again when they have changed. */
export class NameConfig {
  readonly #hosts: WatchedFile<HostsTable>
  readonly #resolvConf: WatchedFile<ResolvConf>
  readonly #nsswitch: WatchedFile<string | undefined>
  /** What node:dns had when this was made: when it differs, the program has set servers of its own. */
  readonly #firstServers = dns.getServers().join()

  constructor(clock: Clock, files: NameFiles = SYSTEM_FILES) {
    this.#hosts = new WatchedFile(clock, files.hosts, text => parseHosts(text ?? ''))
    this.#resolvConf = new WatchedFile(clock, files.resolvConf, text =>
      parseResolvConf(text ?? '', hostname()),
    )
    this.#nsswitch = new WatchedFile(clock, files.nsswitch, text => text)
  }

  get hosts(): HostsTable {
    return this.#hosts.value()
  }

  get search(): ResolvConf {
    return this.#resolvConf.value()
  }

  /** Those of resolv.conf; where it has none, or dns.setServers() was called, those of node:dns. */
  get servers(): readonly DnsServer[] {
    const { servers } = this.#resolvConf.value()
    const current = dns.getServers()
    const names = servers.length === 0 || current.join() !== this.#firstServers ? current : servers
    return names.map(parseDnsServer)
  }

  /** Whether only getaddrinfo knows this one name. */
  isForSystem(name: string): boolean {
    return isForSystem(name, hostname(), this.#nsswitch.value())
  }

  /** Why names of this machine are getaddrinfo's alone, or undefined. */
  get systemOnlyBecause(): string | undefined {
    return systemOnlyBecause({
      platform: process.platform,
      nsswitch: this.#nsswitch.value(),
      servers: this.#resolvConf.value().servers,
      variable: VARIABLES.find(name => process.env[name] !== undefined),
    })
  }
}

/**
 * What a small local file says. It is read without waiting: the asynchronous calls of node:fs share their
 * threads with getaddrinfo, and a lookup must not wait for another one.
 */
class WatchedFile<T> {
  readonly #clock: Clock
  readonly #path: string
  readonly #parse: (text: string | undefined) => T
  #checkedAt = Number.NEGATIVE_INFINITY
  #version = ''
  #known: { readonly value: T } | undefined

  /** `parse` gets undefined when there is no such file, or none that can be read. */
  constructor(clock: Clock, path: string, parse: (text: string | undefined) => T) {
    this.#clock = clock
    this.#path = path
    this.#parse = parse
  }

  value(): T {
    const now = this.#clock.now()
    if (this.#known !== undefined && now - this.#checkedAt < CHECK_MS) return this.#known.value
    this.#checkedAt = now
    const version = versionOf(this.#path)
    if (this.#known === undefined || version !== this.#version) {
      this.#version = version
      this.#known = { value: this.#parse(version === '' ? undefined : textOf(this.#path)) }
    }
    return this.#known.value
  }
}

/** Empty: it is not there, is no regular file, or may not be looked at. */
function versionOf(path: string): string {
  try {
    const stat = statSync(path, { bigint: true })
    const isReadable = stat.isFile() && stat.size <= MAX_FILE_BYTES
    return isReadable ? `${stat.dev}:${stat.ino}:${stat.size}:${stat.mtimeNs}` : ''
  } catch {
    return ''
  }
}

function textOf(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return undefined // it went away, or may not be read
  }
}
