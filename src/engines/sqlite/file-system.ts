import { statfs } from 'node:fs/promises'
import { dirname } from 'node:path'
import type { StoreWarning } from '../../store/port.ts'

/** Linux's numbers of file systems that other machines serve. */
const NETWORK: ReadonlyMap<number, string> = new Map([
  [0x6969, 'NFS'],
  [0x517b, 'SMB'],
  [0xff534d42, 'CIFS'],
  [0xfe534d42, 'SMB'],
  [0x01021997, '9P'],
  [0x00c36400, 'Ceph'],
  [0x5346414f, 'AFS'],
  [0x0bd00bd0, 'Lustre'],
  [0x01161970, 'GFS2'],
  [0x7461636f, 'OCFS2'],
  [0x786f4256, 'a shared folder of VirtualBox'],
  [0x65735546, 'FUSE, behind which may be a network'],
])

const MEMORY: ReadonlySet<number> = new Set([0x01021994, 0x858458f6])

/** What the place of a file does to its promises. Where the system does not tell, nothing is said. */
export async function placeWarnings(file: string): Promise<StoreWarning[]> {
  if (process.platform === 'win32') return file.startsWith('\\\\') ? [network(file, 'a network share')] : []
  if (process.platform !== 'linux') return []
  try {
    return warningsOf(file, Number((await statfs(dirname(file))).type))
  } catch {
    return []
  }
}

/** @param type as `statfs` gives it */
export function warningsOf(file: string, type: number): StoreWarning[] {
  const kind = NETWORK.get(type >>> 0)
  if (kind !== undefined) return [network(file, kind)]
  if (!MEMORY.has(type >>> 0)) return []
  return [
    {
      code: 'memory-file-system',
      message: `${file} is on a file system in memory: a restart of the machine takes it away`,
      fix: 'Move the file to a disk.',
    },
  ]
}

function network(file: string, kind: string): StoreWarning {
  return {
    code: 'network-file-system',
    message: `${file} is on ${kind}: locks and shared memory of SQLite do not work across machines, and the file can be damaged`,
    fix: 'Move the file to a disk of the machine that runs the services.',
  }
}
