import { CommanderError } from 'commander'
import { CommandError, EXIT, report } from './failure.ts'
import { programFor } from './program.ts'
import type { Terminal } from './terminal.ts'

/** Runs the command and tells its exit code. */
export async function run(args: readonly string[], terminal: Terminal): Promise<number> {
  const json = args.includes('--json')
  const program = programFor(terminal, json)
  try {
    await program.parseAsync(args, { from: 'user' })
    await terminal.flush()
    return EXIT.ok
  } catch (error) {
    if (error instanceof CommanderError && error.exitCode === 0) return EXIT.ok
    if (!(error instanceof CommanderError)) return report(error, terminal, json)
    // A command is missing: its help was shown.
    if (error.code === 'commander.help' && !json) return EXIT.usage
    return report(usage(error), terminal, json)
  }
}

function usage({ code, message }: CommanderError): CommandError {
  const what = code === 'commander.help' ? 'a command is missing' : message.replace(/^error: /, '')
  return new CommandError('usage', what.replaceAll('\n', ' '))
}
