/** What one subject showed in one round: figures by the keys of metrics. */
export type Measurement = Readonly<Record<string, number>>
