/**
 * Pages one after the other.
 *
 * @param following where the page after this one begins; undefined behind the last
 * @param ahead whether the next one is asked for while somebody works on the one before, so that neither waits for the other
 */
export async function* readAhead<Page, Place>(
  first: Place,
  read: (place: Place) => Promise<Page>,
  following: (page: Page) => Place | undefined,
  ahead = true,
): AsyncGenerator<Page, void, undefined> {
  let place: Place | undefined = first
  let next: Promise<Page> | undefined
  while (place !== undefined) {
    const page: Page = await (next ?? read(place))
    place = following(page)
    next = ahead && place !== undefined ? read(place) : undefined
    next?.catch(() => undefined) // who goes on hears of it, and who has enough need not
    yield page
  }
}
