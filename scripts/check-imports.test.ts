import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'

test.each([
  ['event/a.ts', "import type { Store } from '../store/port.ts'"],
  ['event/a.ts', "import {\n  type Store,\n} from\n  '../store/port.ts'"],
  ['store/a.ts', "export * from '../log/read.ts'"],
  ['log/a.ts', "const app = await import('../app.ts')"],
  ['delivery/a.ts', "import type { App } from '../app-types.ts'"],
  ['delivery/a.ts', "import '../engines/sqlite/index.ts'"],
  ['app.ts', "import { sqlite } from './engines/sqlite/index.ts'"],
  ['engines/sqlite/deep/a.ts', "import { read } from '../../../log/read.ts'"],
  ['engines/sqlite/a.ts', "import { x } from '../memory/index.ts'"],
  ['testing/conformance.ts', "import { trace } from '../cli/trace.ts'"],
  ['cli/a.ts', "import { resolveOptions } from '../delivery/options.ts'"],
  ['somewhere/a.ts', ''],
])('an arrow the wrong way is a fault: %s: %s', (path, text) => {
  const { status, stderr } = check({ [path]: text })
  expect(stderr).toMatch(new RegExp(`^src/${path}:`))
  expect(status).toBe(1)
})

test('arrows the right way are fine, and tests may import anything', () => {
  const { status, stderr } = check({
    'store/a.ts':
      "import { x } from '../event/id.ts'\nimport { y } from './port.ts'\nimport { HodisaError } from '../errors.ts'",
    'app-types.ts': "import { x } from './app.ts'\nimport { y } from './log/read.ts'",
    'cli/a.ts': "import { sqlite } from '../engines/sqlite/index.ts'\nimport { hodisa } from '../index.ts'",
    'event/a.test.ts': "import { sqlite } from '../engines/sqlite/index.ts'",
  })
  expect(stderr).toBe('')
  expect(status).toBe(0)
})

function check(files: Record<string, string>) {
  const root = mkdtempSync(join(tmpdir(), 'hodisa-'))
  onTestFinished(() => rmSync(root, { recursive: true }))
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(root, path)), { recursive: true })
    writeFileSync(join(root, path), text)
  }
  return spawnSync(process.execPath, [join(import.meta.dirname, 'check-imports.ts'), root], { encoding: 'utf8' })
}
