import { expect, test } from 'vitest'
import { eachEngine } from './delivery/fixtures/bed.ts'
import { defineEvent, unchecked } from './index.ts'

const Said = defineEvent('word.said', { schema: unchecked<{ readonly word: string }>() })

eachEngine((bed) => {
  test('an app that was stopped says so, whatever it is asked to do', async () => {
    const app = await bed().app({ events: [Said] })
    await app.publish(Said({ word: 'last' }))
    await Promise.all([app.stop(), app.stop()])
    const refused = { code: 'app-stopped' }
    await expect(app.publish(Said({ word: 'late' }))).rejects.toMatchObject(refused)
    await expect(app.append([{ stream: 'word-a', events: [] }])).rejects.toMatchObject(refused)
    await expect(app.get('evt_1')).rejects.toMatchObject(refused)
    await expect(app.settled()).rejects.toMatchObject(refused)
    await expect(app.transaction(() => undefined)).rejects.toMatchObject(refused)
    await expect(app.start()).rejects.toMatchObject(refused)
  })
})
