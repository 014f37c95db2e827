/** `42.1 ms`, `0.12 ms`, `1230 ms`: three digits or so. */
export function ms(value: number): string {
  if (value >= 1000) return `${Math.round(value)} ms`
  if (value >= 10) return `${value.toFixed(1)} ms`
  return `${value.toFixed(value >= 0.1 || value === 0 ? 2 : 3)} ms`
}

/** `12 %`, `0.3 %` of a share between 0 and 1. */
export function percent(share: number): string {
  const value = share * 100
  return `${value >= 10 || value === 0 ? Math.round(value) : value.toFixed(value >= 0.1 ? 1 : 2)} %`
}

/** `1.3`, `12`: how many times as much. */
export function times(ratio: number): string {
  return ratio >= 10 ? String(Math.round(ratio)) : ratio.toFixed(1)
}

/** `3 s`, `12 min`, `5 h`. */
export function age(forMs: number): string {
  const seconds = Math.max(0, forMs) / 1000
  if (seconds < 10) return `${seconds.toFixed(1)} s`
  if (seconds < 120) return `${Math.round(seconds)} s`
  return seconds < 7200 ? `${Math.round(seconds / 60)} min` : `${Math.round(seconds / 3600)} h`
}

/** `12.3 MB/s` */
export function rate(bytesPerSecond: number): string {
  if (bytesPerSecond >= 1e6) return `${(bytesPerSecond / 1e6).toFixed(1)} MB/s`
  return `${(bytesPerSecond / 1e3).toFixed(1)} kB/s`
}
