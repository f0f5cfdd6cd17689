import { createReadStream } from 'node:fs'
import { open } from 'node:fs/promises'
import { pipeline } from 'node:stream'
import { createGunzip } from 'node:zlib'

/** The lines of a text file in UTF-8, plain or gzip, read as they are asked for. */
export async function* linesOf(path: string): AsyncGenerator<string, void, undefined> {
  let rest = ''
  for await (const chunk of await textOf(path)) {
    const lines = (rest + chunk).split('\n')
    rest = lines.pop() ?? ''
    for (const line of lines) yield withoutReturn(line)
  }
  if (rest !== '') yield withoutReturn(rest)
}

async function textOf(path: string): Promise<AsyncIterable<string>> {
  const zipped = await isGzip(path)
  const file = createReadStream(path)
  // The error of either stream reaches whoever reads the last one; the callback only has to be there.
  const stream = zipped ? pipeline(file, createGunzip(), () => undefined) : file
  return stream.setEncoding('utf8')
}

async function isGzip(path: string): Promise<boolean> {
  const file = await open(path)
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(2), 0, 2, 0)
    return bytesRead === 2 && buffer.readUInt16BE() === 0x1f8b
  } finally {
    await file.close()
  }
}

function withoutReturn(line: string): string {
  return line.endsWith('\r') ? line.slice(0, -1) : line
}
