import { parsePrometheusText } from './prometheus-text.ts'

/**
 * How often limits took effect, by their names: what `GET /metrics` shows, of one origin or (`ingress`) of
 * clients.
 */
export async function readDefences(
  adminUrl: string,
  of: { origin: string } | 'ingress',
): Promise<Record<string, number>> {
  const page = parsePrometheusText(await (await fetch(`${adminUrl}/metrics`)).text())
  const counts: Record<string, number> = {}
  for (const { name, labels, value } of page.samples) {
    if (!name.endsWith('defences_total') || labels['limit'] === undefined) continue
    if (of === 'ingress' ? labels['origin'] !== undefined : labels['origin'] !== of.origin) continue
    counts[labels['limit']] = (counts[labels['limit']] ?? 0) + value
  }
  return counts
}
