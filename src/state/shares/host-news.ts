/** A process of this host keeps requests from an endpoint. */
export interface EjectionNews {
  readonly kind: 'ejected'
  /** The key of the origin. */
  readonly origin: string
  /** As its figures show it. */
  readonly endpoint: string
  readonly because: string
  /** From now on. */
  readonly forMs: number
}

/** What a process lets the others of its host know, as plain data. */
export type HostNews =
  | EjectionNews
  /** Its probe request found the endpoint back. */
  | { readonly kind: 'readmitted'; readonly origin: string; readonly endpoint: string }
  /** What it knows of the origin was written to where all of them keep it. */
  | { readonly kind: 'record'; readonly origin: string }

/** The way to the other processes of the host. */
export interface NewsPort {
  /** Never throws; it may reach nobody. */
  publish(news: HostNews): void
  /** Has the listener called with what others publish from now on. */
  onNews(listener: (news: HostNews) => void): void
  /** Those of an origin that last, for who knows it only now. */
  ejections(origin: string): readonly EjectionNews[]
}

/** Origins times endpoints that are remembered: more than one host is likely to have out at a time. */
const MAX_EJECTIONS = 1_024

/** The ejections that last, as far as they were published. Pure. */
export class EjectionBoard {
  readonly #known = new Map<string, { readonly news: EjectionNews; readonly until: number }>()

  onNews(news: HostNews, now: number): void {
    if (news.kind === 'record') return
    const key = `${news.origin} ${news.endpoint}`
    this.#known.delete(key)
    if (news.kind === 'readmitted') return
    this.#known.set(key, { news, until: now + news.forMs })
    if (this.#known.size <= MAX_EJECTIONS) return
    for (const oldest of this.#known.keys()) {
      this.#known.delete(oldest)
      return
    }
  }

  /** With the time that is left of each. `origin` left out: of all. */
  lasting(now: number, origin?: string): EjectionNews[] {
    const lasting: EjectionNews[] = []
    for (const [key, { news, until }] of this.#known) {
      if (until <= now) this.#known.delete(key)
      else if (origin === undefined || news.origin === origin) lasting.push({ ...news, forMs: until - now })
    }
    return lasting
  }
}
