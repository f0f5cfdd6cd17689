import { expect, test } from 'vitest'
import { Silences } from './silences.ts'

test('what overlaps counts once, and only as far as it lies within', () => {
  const silences = new Silences()
  silences.add(100, 200)
  silences.add(300, 400)
  silences.add(150, 250)
  silences.add(250, 300)
  silences.add(600, 700)
  expect(silences.within(0, 1_000)).toBe(400)
  expect(silences.within(350, 650)).toBe(100)
  expect(silences.within(420, 580)).toBe(0)
})
