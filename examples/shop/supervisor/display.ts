import type { Snapshot } from './monitor.ts'
import { Screen } from './screen.ts'
import { summary, view } from './view.ts'

/** Where a run shows itself: a picture on a terminal, else a line now and then on stderr. */
export interface Display {
  /** Between two snapshots, in milliseconds. */
  readonly interval: number
  show(snapshot: Snapshot): void
  notify(line: string): void
  close(): void
}

export function createDisplay(title: string, live: boolean): Display {
  return live ? liveDisplay(title) : plainDisplay()
}

function liveDisplay(title: string): Display {
  const screen = new Screen(process.stdout)
  const close = () => screen.close()
  process.once('exit', close) // however the program ends, the cursor comes back
  return {
    interval: 200,
    show: (snapshot) => screen.draw(view(snapshot, title, screen.canvas)),
    notify: (line) => screen.above(() => process.stderr.write(`${line}\n`)),
    close: () => {
      process.off('exit', close)
      close()
    },
  }
}

function plainDisplay(): Display {
  return {
    interval: 2_000,
    show: (snapshot) => process.stderr.write(`${summary(snapshot)}\n`),
    notify: (line) => process.stderr.write(`${line}\n`),
    close: () => undefined,
  }
}
