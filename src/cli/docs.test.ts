import { readFileSync } from 'node:fs'
import type { Command } from 'commander'
import { expect, test } from 'vitest'
import { EXITS, FAULTS } from './failure.ts'
import { fakeTerminal } from './fixtures/command.ts'
import { programFor } from './program.ts'

const reference = readFileSync(new URL('../../docs/cli.md', import.meta.url), 'utf8')

test('docs/cli.md names every command with every option', () => {
  for (const command of leaves(programFor(fakeTerminal(), false))) {
    const [, options = ''] = reference.split('## Options')
    const row = options.split('\n').find((line) => line.startsWith('|') && line.includes(`\`${nameOf(command)}`))
    expect(row, nameOf(command)).toBeDefined()
    // What one row says, the next may refer to.
    if (row?.includes('the same filter')) continue
    for (const { long } of command.options) expect(row, nameOf(command)).toContain(`\`${long}\``)
  }
})

test('docs/cli.md names every error of the command with its exit code', () => {
  const exits = Object.fromEntries(Object.entries(FAULTS).map(([code, { exit }]) => [code, exit]))
  for (const [code, exit] of Object.entries({ ...EXITS, ...exits })) {
    const row = reference.split('\n').find((line) => line.startsWith(`| ${exit} |`))
    expect(row, code).toContain(`\`${code}\``)
  }
})

function leaves(command: Command): Command[] {
  return command.commands.length === 0 ? [command] : command.commands.flatMap(leaves)
}

function nameOf(command: Command): string {
  const group = command.parent?.parent ? `${command.parent.name()} ` : ''
  return `${group}${command.name()}`
}
