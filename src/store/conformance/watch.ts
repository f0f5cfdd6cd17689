import assert from 'node:assert/strict'
import { AsyncLocalStorage } from 'node:async_hooks'
import type { Hint } from '../port.ts'
import { anEvent, append } from './events.ts'
import { letterOf } from './group-values.ts'
import { type Conformance, checks, until } from './suite.ts'

/** Hints may be spurious, never missing where nothing fails. */
export function watchConformance(suite: Conformance): void {
  const check = checks(suite)

  suite.describe('watching', () => {
    check('hints at an append from this connection and from another', async ({ store, another }) => {
      const other = await another()
      const heard = new Map<string, Hint[]>([
        ['store', []],
        ['other', []],
      ])
      store.watch((hint) => heard.get('store')?.push(hint))
      other.watch((hint) => heard.get('other')?.push(hint))
      for (const writer of [store, other]) {
        await writer.append(append(anEvent()))
        const head = await writer.head()
        for (const [name, hints] of heard) {
          await until(`${name} hears of ${head}`, () => hints.some((hint) => (hint.head ?? 0) >= head))
        }
      }
    })

    check('hints at changes of groups and of dead letters, across connections', async ({ store, another }) => {
      const other = await another()
      let groups = 0
      other.watch((hint) => {
        if (hint.groups === true && hint.services?.has('email') !== false) groups++
      })
      await store.groups.update('email', 0, { paused: 'by hand' })
      await until('the update is heard of', () => groups > 0)
      const before = groups
      await store.progress({
        service: 'email',
        instance: 'i1',
        fences: [],
        deadLetters: [{ put: letterOf('dl_1', 1) }],
      })
      await until('the dead letter is heard of', () => groups > before)
    })

    check('ends when it is told to', async ({ store }) => {
      let stopped = 0
      let heard = 0
      const stop = store.watch(() => stopped++)
      stop()
      stop()
      store.watch(() => heard++)
      await store.append(append(anEvent()))
      await until('the one that still listens hears', () => heard > 0)
      assert.equal(stopped, 0)
    })

    check('a listener that throws harms neither the write nor the other listeners', async ({ store }) => {
      let heard = 0
      store.watch(() => {
        throw new Error('mine')
      })
      store.watch(() => heard++)
      assert.equal((await store.append(append(anEvent()))).duplicate, false)
      await until('the other hears', () => heard > 0)
    })

    check('a listener runs in the context of who watches, not of who writes', async ({ store, another }) => {
      const context = new AsyncLocalStorage<string>()
      const heard: (string | undefined)[] = []
      const other = await another()
      context.run('watcher', () => {
        for (const each of [store, other]) each.watch(() => heard.push(context.getStore()))
      })
      await context.run('writer', () => store.append(append(anEvent())))
      await until('both hear', () => heard.length >= 2)
      assert.deepEqual(new Set(heard), new Set(['watcher']))
    })

    check('a listener may read what the hint is about', async ({ store, another }) => {
      const other = await another()
      let seen = 0
      other.watch(async ({ head }) => {
        // A store that is closed while it is asked refuses.
        if (head !== undefined) seen = Math.max(seen, await other.head().catch(() => 0))
      })
      await store.append(append(anEvent()))
      await until('the head is read', () => seen === 1)
    })
  })
}
