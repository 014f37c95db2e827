/** Name resolution, over all origins. */
export interface ResolverOptions {
  /**
   * How addresses are looked up. `dns`: /etc/hosts and then the DNS, by sockets of our own, with the servers
   * and search domains of resolv.conf (or `dnsServers`). `system`: getaddrinfo, which blocks one of libuv's
   * threads for as long as a name hangs. `auto`: `dns` where nsswitch.conf has nothing beyond files and DNS
   * (or `dnsServers` are given), else `system`; names under `.local` are the system's where it looks for them
   * by multicast. Default `auto`.
   */
  addresses: 'auto' | 'dns' | 'system'
  /**
   * How long an answer is used again at the most; its time to live may be shorter. 0: every connect asks anew
   * (askers at the same time still share one query). Default 30,000 ms.
   */
  dnsCacheMs: number
  /**
   * How long it is believed that a name has no address, and that nobody answers; the latter twice as long
   * each time, up to `dnsFailureCacheMs`. Default 1,000 ms.
   */
  dnsNegativeCacheMs: number
  /**
   * The longest that a name is not asked for again since nobody answered last time (RFC 9520). Default 10,000
   * ms.
   */
  dnsFailureCacheMs: number
  /**
   * How long after its time an answer is used on while no server gives a new one (RFC 8767). 0: never.
   * Default 86,400,000 ms.
   */
  dnsStaleMs: number
  /** With such an answer at hand, how long a new one is waited for. Default 1,800 ms. */
  dnsStaleAnswerMs: number
  /**
   * After a failure, or a lookup that took longer than that, how long such an answer is used without asking.
   * Default 30,000 ms.
   */
  dnsStaleRecheckMs: number
  /** One query to the DNS, over all servers and tries. Default 5,000 ms. */
  dnsQueryMs: number
  /** Queries to the DNS that run at once; a lookup has two. Others wait in line. Default 256. */
  maxDnsQueries: number
  /**
   * Lookups by getaddrinfo that run at once: each takes a thread of libuv's, of which files need some as
   * well. At least 1. Default 2.
   */
  maxSystemLookups: number
  /** Host names in the cache; the one unused for longest makes room. Default 1,024. */
  maxDnsEntries: number
  /**
   * How often the addresses of this machine are looked at. When they have changed, answers are asked for
   * again and HTTP/3 may be tried again where it failed. 0: never. Default 5,000 ms.
   */
  networkCheckMs: number
  /**
   * How often the name of an origin is looked up again while its connections carry requests; those to
   * addresses that have left the answers for good are drained, at most a tenth of them per second. Answers
   * out of the cache do not count, so that it is of no use below `dnsCacheMs`. Host names among `endpoints`
   * that requests are balanced over are looked up again at the latest after this, with traffic or without. 0:
   * never. Default 30,000 ms.
   */
  dnsRefreshMs: number
}

/** The defaults of name resolution. Durations are in ms, sizes in bytes. */
export const DEFAULT_RESOLVER_OPTIONS: Readonly<ResolverOptions> = {
  addresses: 'auto',
  dnsCacheMs: 30_000,
  dnsNegativeCacheMs: 1_000,
  dnsFailureCacheMs: 10_000,
  dnsStaleMs: 86_400_000,
  dnsStaleAnswerMs: 1_800,
  dnsStaleRecheckMs: 30_000,
  dnsQueryMs: 5_000,
  maxDnsQueries: 256,
  maxSystemLookups: 2,
  maxDnsEntries: 1024,
  networkCheckMs: 5_000,
  dnsRefreshMs: 30_000,
}
