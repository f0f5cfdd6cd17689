import Database from 'better-sqlite3'
import { expect, onTestFinished, test } from 'vitest'
import { anEvent, append, eventsOf } from '../../store/conformance/index.ts'
import { newFile, openAt } from './fixtures/place.ts'
import { StreamChain } from './stream-chain.ts'

test('every range of a long stream is found, from every side', async () => {
  const file = await newFile()
  const store = await openAt(file)
  const places: number[] = []
  for (let round = 0; round < 20; round++) {
    await store.append(append(eventsOf('order-1', 1 + ((round * 7) % 19))))
    await store.append(append(eventsOf('order-2', 1 + (round % 3))))
  }
  for (const { stream, position } of (await store.readLog({ limit: 10_000 })).events) {
    if (stream === 'order-1') places.push(position)
  }
  const connection = new Database(file, { readonly: true })
  onTestFinished(() => void connection.close())
  const chain = new StreamChain(connection)
  expect(places.length).toBeGreaterThan(128)
  for (let low = 1; low <= places.length; low += 5) {
    for (const high of [low, low + 1, low + 63, low + 64, places.length, places.length + 9]) {
      expect(chain.positions('order-1', '', low, high)).toEqual(places.slice(low - 1, high))
    }
  }
  const head = await store.head()
  for (let position = 0; position <= head + 1; position++) {
    const expected = places.filter((place) => place <= position).length
    expect(chain.revisionAt('order-1', '', position)).toBe(expected)
  }
})

test('events before an expired one are still found, and pages stay full', async () => {
  const store = await openAt(await newFile())
  for (let index = 1; index <= 100; index++) {
    const expiresAt = index % 3 === 0 || (index > 40 && index < 60) ? 1_000 : null
    await store.append(append(anEvent({ stream: 'order-1', expiresAt })))
  }
  const kept = Array.from({ length: 100 }, (_, index) => index + 1).filter(
    (index) => index % 3 !== 0 && !(index > 40 && index < 60),
  )
  expect(await store.expire(2_000)).toBe(100 - kept.length)
  for (const backwards of [false, true]) {
    const events = await store.readStream({ stream: 'order-1', limit: 30, backwards })
    const wanted = backwards ? [...kept].reverse() : kept
    expect(events.map(({ revision }) => revision)).toEqual(wanted.slice(0, 30))
  }
  const page = await store.readLog({ key: 'order-1', limit: 1_000 })
  expect(page.events.map(({ revision }) => revision)).toEqual(kept)
  expect((await store.append(append(anEvent({ stream: 'order-1' })))).streams[0]?.revision).toBe(101)
})
