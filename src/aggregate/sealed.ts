import { HodisaError } from '../errors.ts'
import type { Codec, CodecSubject } from '../log/codec.ts'

/** Text as a document keeps it: encoded as the log's own data is. */
export interface Sealed {
  /** The codec's name; null is plain. */
  readonly encoding: string | null
  readonly data: string
}

export async function seal(codec: Codec | undefined, text: string, of: CodecSubject): Promise<Sealed> {
  if (codec === undefined) return { encoding: null, data: text }
  return { encoding: codec.name, data: await codec.encode(text, of) }
}

/** @throws {HodisaError} `capability-missing` for a codec the app does not have */
export async function unseal(codec: Codec | undefined, { encoding, data }: Sealed, of: CodecSubject): Promise<string> {
  if (encoding === null) return data
  if (codec?.name === encoding) return codec.decode(data, of)
  throw new HodisaError('capability-missing', `${of.type} of ${of.stream} is encoded with ${encoding}`, {
    encoding,
    stream: of.stream,
  })
}
