/** Which event a text belongs to, for a codec that keys by it. */
export interface CodecSubject {
  readonly type: string
  readonly stream: string | null
  readonly tenant: string | null
  readonly subject: string | null
}

/**
 * Turns the JSON text of data into what the log keeps, and back: encryption, compression. `name` is recorded with every event,
 * so that one log may hold several. Asynchronous where it must be; then it cannot serve a synchronous outbox.
 */
export interface Codec {
  readonly name: string
  encode(text: string, of: CodecSubject): string | Promise<string>
  decode(text: string, of: CodecSubject): string | Promise<string>
}
