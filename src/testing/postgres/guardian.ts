import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { Socket } from 'node:net'

/**
 * Reads what is to be ended, a line each, until its input ends: that it does when this process ends, however it ends. Ends the
 * last that was named with all it has started, and removes the folder.
 */
const SCRIPT = `
while read -r line; do leader=$line; done
if [ -n "$leader" ] && kill -s QUIT -- "-$leader" 2> /dev/null; then
  tries=0
  while kill -s 0 -- "-$leader" 2> /dev/null; do
    tries=$((tries + 1))
    # What has ended may stand in the list of processes until the machine clears it away.
    if [ $tries -gt 2 ] && [ ! -e "$1/data/postmaster.pid" ]; then break; fi
    if [ $tries -gt 100 ]; then break; fi
    sleep 0.1
  done
  kill -s KILL -- "-$leader" 2> /dev/null
fi
rm -rf -- "$1"
`

/** A process that outlives this one by a moment, and takes with it what this one has left behind. */
export class Guardian {
  readonly #process: ChildProcess
  readonly #input: Socket

  constructor(folder: string) {
    // A session of its own: what ends the group of this process, such as Ctrl-C, must not end it.
    this.#process = spawn('sh', ['-c', SCRIPT, 'sh', folder], { detached: true, stdio: ['pipe', 'ignore', 'ignore'] })
    if (!(this.#process.stdin instanceof Socket)) throw new TypeError('a pipe is no socket')
    this.#input = this.#process.stdin
    this.#input.on('error', () => undefined) // somebody ended it
    this.#input.unref()
    this.#process.unref()
  }

  /** The process that leads the group to be ended, in place of the one before; undefined when there is none. */
  watch(leader: number | undefined): void {
    this.#input.write(`${leader ?? ''}\n`)
  }

  /** Lets it do its work now. */
  async dismiss(): Promise<void> {
    if (this.#process.exitCode !== null || this.#process.signalCode !== null) return
    const exited = once(this.#process, 'exit')
    this.#process.ref()
    this.#input.end()
    await exited
  }
}
