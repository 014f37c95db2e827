/** The origins of the demo, by the name that is their route (`Host: NAME.demo`). */
export const DEMO_ORIGINS = {
  quick: 'answers at once',
  slow: 'takes 300 ms for each answer',
  idle: 'closes connections that were idle for a second',
  recycling: 'closes each connection after 100 requests',
  multiplexed: 'speaks HTTP/2: one connection for everything',
} as const

export type DemoOriginName = keyof typeof DEMO_ORIGINS

/** What the process with the origins tells its parent, once. */
export interface OriginsReady {
  /** The certificate of the authority that vouches for all of them, PEM. */
  ca: string
  ports: Record<DemoOriginName, number>
}
