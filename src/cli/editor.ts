import { spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { assertGoingOn, type Context } from './context.ts'
import { CommandError } from './failure.ts'
import { printable } from './format.ts'
import { type JsonObject, parseObject } from './values.ts'

/**
 * Opens data in the person's editor and gives what was saved. What is no JSON object can be edited again.
 *
 * @throws {CommandError} `editor-failed`, `not-confirmed` where nothing was changed, `invalid-json`
 */
export async function edited(context: Context, data: unknown): Promise<JsonObject> {
  const { terminal } = context
  const folder = mkdtempSync(join(tmpdir(), 'hodisa-edit-')) // readable by nobody else
  const file = join(folder, 'data.json')
  const before = `${JSON.stringify(data, null, 2)}\n`
  try {
    writeFileSync(file, before, { mode: 0o600 })
    for (;;) {
      await edit(file)
      assertGoingOn(terminal)
      const after = readFileSync(file, 'utf8')
      if (after.trim() === before.trim()) throw new CommandError('not-confirmed', 'the data was not changed')
      try {
        return parseObject(after)
      } catch (error) {
        if (!(error instanceof CommandError) || !terminal.interactive) throw error
        if (!(await terminal.ask(`${printable(error.message)}. Edit it again? [y/N] `))) throw error
        assertGoingOn(terminal)
      }
    }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

/** Resolves when the editor is closed. */
async function edit(file: string): Promise<void> {
  const windows = process.platform === 'win32'
  const editor = process.env.VISUAL || process.env.EDITOR || (windows ? 'notepad' : 'vi')
  // The variable is a command line of its own, such as `code --wait`: the shell takes it apart.
  const child = windows
    ? spawn(`${editor} "${file}"`, { shell: true, stdio: 'inherit' })
    : spawn('sh', ['-c', `${editor} "$1"`, 'editor', file], { stdio: 'inherit' })
  const failed = (why: string) => new CommandError('editor-failed', `${editor} ${why}; nothing was done`)
  await new Promise<void>((resolve, reject) => {
    child.once('error', (error) => reject(failed(`could not be started: ${error.message}`)))
    child.once('close', (code, signal) => {
      if (code === 0) resolve()
      else reject(failed(signal === null ? `ended with code ${code}` : `was ended by ${signal}`))
    })
  })
}
