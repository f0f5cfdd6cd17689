import type { AnyEventDefinition, DataOf, InputOf } from './definition.ts'
import type { RecordedEvent } from './types.ts'

/*
 * Types that follow from the definitions an app was given. Computed where they are used and threaded nowhere else, so that 500
 * definitions stay quick in the editor.
 */

/** The definitions of an app, by type. */
export type ByType<Definitions extends readonly AnyEventDefinition[]> = {
  readonly [Definition in Definitions[number] as Definition['type']]: Definition
}

/** The types an app can publish by name. */
export type TypeOf<Definitions extends readonly AnyEventDefinition[]> = Definitions[number]['type']

export type InputByType<Definitions extends readonly AnyEventDefinition[], Type extends TypeOf<Definitions>> = InputOf<
  ByType<Definitions>[Type]
>

/** What a handler of a definition gets. */
export type RecordedOf<Definition> = Definition extends AnyEventDefinition
  ? RecordedEvent<Definition['type'], DataOf<Definition>>
  : never

/** What a handler of a pattern gets: the events it names, where the app knows them. */
export type RecordedByPattern<Definitions extends readonly AnyEventDefinition[], Pattern extends string> =
  Pattern extends TypeOf<Definitions>
    ? RecordedOf<ByType<Definitions>[Pattern]>
    : Pattern extends `${infer Head}.*` | `${infer Head}.**`
      ? [Extract<TypeOf<Definitions>, `${Head}.${string}`>] extends [never]
        ? RecordedEvent
        : RecordedOf<ByType<Definitions>[Extract<TypeOf<Definitions>, `${Head}.${string}`>]>
      : RecordedEvent

/** What a handler may be registered for. */
export type What = string | AnyEventDefinition | readonly AnyEventDefinition[]

/** The event a handler gets for what it was registered for. */
export type RecordedFor<Definitions extends readonly AnyEventDefinition[], Of extends What> = Of extends string
  ? RecordedByPattern<Definitions, Of>
  : Of extends AnyEventDefinition
    ? RecordedOf<Of>
    : Of extends readonly AnyEventDefinition[]
      ? RecordedOf<Of[number]>
      : never
