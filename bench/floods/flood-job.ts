/** What a flood process is asked to do. */
export type FloodJob =
  /** Starts an origin that answers everything with 1 KB, once it has read the request. */
  | { readonly kind: 'serve'; readonly cert: string; readonly key: string }
  /** Starts an HTTP/2 origin that floods whoever asks it, as the `flood-as-origin` jobs say. */
  | { readonly kind: 'serve-floods'; readonly cert: string; readonly key: string }
  | {
      readonly kind: 'flood-as-client' | 'flood-as-origin'
      readonly flood: string
      /** Of the proxy. */
      readonly port: number
      /** It ends when so much was sent, or after so long. */
      readonly bytes: number
      readonly seconds: number
    }
  /** Begins to ask the proxy for something small, over and over, and says how that went. */
  | { readonly kind: 'neighbor-start'; readonly port: number }
  | { readonly kind: 'neighbor-stop' }

export type FloodReport =
  | { readonly port: number }
  | { readonly sentBytes: number; readonly connections: number }
  | { readonly p99Ms: number; readonly requests: number; readonly failures: number }

/**
 * What the flooding origin is called, by those who ask for it. All else is the other origin's, what flooding
 * clients ask for as well.
 */
export const FLOODING_HOST = 'flooding.test'
