import { join } from 'node:path'
import { type Nginx, startNginx } from '../../../test/support/nginx.ts'
import { BODY_SIZES, writeZeros } from '../body-sizes.ts'
import type { CpuPlan } from '../cpus.ts'

export interface BenchOriginOptions {
  /** Offers HTTP/2 beside HTTP/1.1 on the TLS port; ALPN decides. Default false. */
  http2?: boolean
}

/** The origin of every scenario: nginx, TLS 1.3 only, connections that live as long as the run. */
export async function startBenchOrigin(cpus: CpuPlan, options: BenchOriginOptions = {}): Promise<Nginx> {
  const origin = await startNginx({
    tlsProtocols: ['TLSv1.3'],
    http2: options.http2 ?? false,
    keepaliveRequests: 1_000_000_000,
    keepaliveTimeout: '600s',
    cpu: cpus.origin,
  })
  writeZeros(join(origin.directory, 'www', '200m'), BODY_SIZES['200m'])
  return origin
}
