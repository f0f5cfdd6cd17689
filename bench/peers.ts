import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'

let failure: string | undefined

/** Installs what the other tools need, on first use. @throws where that fails; then their rows say so. */
export function installPeers(): void {
  if (failure !== undefined) throw new Error(failure)
  if (areInstalled()) return
  process.stderr.write('installing the other tools into bench/node_modules, once\n')
  // npm prints to stderr here: stdout is for figures.
  const { status, error } = spawnSync('npm', ['ci', '--prefix', import.meta.dirname, '--no-audit', '--no-fund'], {
    stdio: ['ignore', 2, 2],
  })
  if (status === 0) return
  failure = `could not be installed (${error === undefined ? `npm ci exited with ${status}` : error.message})`
  throw new Error(failure)
}

/** Whether npm has finished, and with the versions that are asked for now. */
function areInstalled(): boolean {
  try {
    const { dependencies } = read('package.json')
    const { packages } = read('node_modules/.package-lock.json')
    return Object.entries(dependencies).every(
      ([name, version]) => packages[`node_modules/${name}`]?.version === version,
    )
  } catch {
    return false
  }
}

function read(file: string) {
  return JSON.parse(readFileSync(join(import.meta.dirname, file), 'utf8'))
}
