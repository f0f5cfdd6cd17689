import { type App, formatExplanation } from '../index.ts'
import { type Context, print } from './context.ts'
import { printable } from './format.ts'

/** The store as it knows itself: this command defines no services, so their options are not known to it. */
export async function explainStore(app: App, context: Context): Promise<void> {
  const explanation = await app.explain()
  await print(context, explanation, () => printable(formatExplanation(explanation), '\n'))
}
