import { readFileSync, readlinkSync } from 'node:fs'
import { hostname } from 'node:os'

/**
 * A name for the space in which process ids are unique: this boot of this machine, and on Linux this container. Where two
 * processes name the same, each can tell whether the other still exists.
 */
export function machineName(): string {
  try {
    const boot = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()
    return `${boot} ${readlinkSync('/proc/self/ns/pid')}`
  } catch {
    return hostname() // no Linux: there is one space of process ids a machine
  }
}

/** False only where no process has this id; true also for one that may not be signalled. */
export function processExists(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== 'ESRCH'
  }
}
