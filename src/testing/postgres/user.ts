/* PostgreSQL refuses to run as root. */
import { spawnSync } from 'node:child_process'
import { chownSync, cpSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { HodisaError } from '../../errors.ts'
import type { PostgresPrograms } from './find.ts'

/** Whom a server runs as, for `spawn`; nothing where it may be whoever runs this process. */
export interface User {
  readonly uid?: number
  readonly gid?: number
}

/** Any but root. */
export function serverUser(): User {
  if (process.getuid?.() !== 0) return {}
  for (const name of ['postgres', 'nobody']) {
    const [uid, gid] = ['-u', '-g'].map((which) => spawnSync('id', [which, name], { encoding: 'utf8' }).stdout?.trim())
    if (uid && gid) return { uid: Number(uid), gid: Number(gid) }
  }
  throw new HodisaError(
    'store-unavailable',
    'PostgreSQL does not run as root, and there is no user "postgres" or "nobody"',
  )
}

export function give(path: string, { uid, gid }: User): void {
  if (uid !== undefined && gid !== undefined) chownSync(path, uid, gid)
}

/** The folder of the programs where the user may run them: a copy, where they lie in somebody's home. */
export function reachable({ programs }: PostgresPrograms, user: User, folder: string): string {
  const { error } = spawnSync(join(programs, 'postgres'), ['--version'], { ...user, stdio: 'ignore' })
  if (error === undefined) return programs
  const copy = join(folder, 'programs')
  cpSync(dirname(programs), copy, { recursive: true, verbatimSymlinks: true })
  return join(copy, 'bin')
}
