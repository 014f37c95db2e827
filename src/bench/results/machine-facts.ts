/** What a figure depends on beside the code. No names of machines or people: results are published. */
export interface MachineFacts {
  cores: number
  cpuModel: string
  memoryGiB: number
  kernel: string
  distribution: string
  congestionControl: string
  /** One-minute load average when the run began: above a half, somebody else is using the machine. */
  loadAtStart: number
  versions: Record<string, string>
  /** The revision that was measured; `+` behind it: with changes that are not committed. */
  revision: string
}
