import { createHash, randomUUID } from 'node:crypto'
import { access, link, mkdir, readdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import type { Mail } from './receipt.ts'

/**
 * A mail provider as they are: slow, and it takes an idempotency key. It delivers into a folder, one `.eml` file a mail. The
 * file is named by its key, not by its order alone: two keys for one order would be two mails, and be seen.
 */
export class MailProvider {
  readonly #folder: string
  readonly #latency: () => number

  private constructor(folder: string, latency: () => number) {
    this.#folder = folder
    this.#latency = latency
  }

  /** `latency` in milliseconds; 20 to 60 by default. */
  static async open(folder: string, latency: () => number = () => 20 + Math.random() * 40): Promise<MailProvider> {
    await mkdir(join(folder, 'unsent'), { recursive: true })
    return new MailProvider(folder, latency)
  }

  /** Delivers, unless a mail with this key was delivered before. */
  async send(mail: Mail, { idempotencyKey }: { idempotencyKey: string }): Promise<{ delivered: boolean }> {
    const file = join(this.#folder, fileName(mail, idempotencyKey))
    if (await exists(file)) return { delivered: false }
    await setTimeout(this.#latency())
    const draft = join(this.#folder, 'unsent', randomUUID())
    await writeFile(draft, format(mail, idempotencyKey))
    try {
      // The one step that delivers: all of the mail appears at once, and only one sender with this key gets it through.
      await link(draft, file)
      return { delivered: true }
    } catch (error) {
      if (isCode(error, 'EEXIST')) return { delivered: false }
      throw error
    } finally {
      await rm(draft, { force: true })
    }
  }
}

/** What was delivered into a folder: the reference of each mail. */
export async function deliveredReferences(folder: string): Promise<string[]> {
  const files = await readdir(folder).catch((error: unknown) => {
    if (isCode(error, 'ENOENT')) return []
    throw error
  })
  return files
    .filter((file) => file.endsWith('.eml'))
    .map((file) => decodeURIComponent(file.slice(0, file.lastIndexOf('-'))))
}

function fileName(mail: Mail, key: string): string {
  const hash = createHash('sha256').update(key).digest('hex').slice(0, 16)
  return `${encodeURIComponent(mail.reference)}-${hash}.eml`
}

function format(mail: Mail, key: string): string {
  const headers = {
    From: 'shop@example.com',
    To: mail.to,
    Subject: mail.subject,
    'Idempotency-Key': key,
    'MIME-Version': '1.0',
    'Content-Type': 'text/plain; charset=utf-8',
    'Content-Transfer-Encoding': '8bit',
  }
  const head = Object.entries(headers).map(([name, value]) => `${name}: ${value}`)
  return [...head, '', ...mail.text.split('\n'), ''].join('\r\n')
}

async function exists(file: string): Promise<boolean> {
  return access(file).then(
    () => true,
    () => false,
  )
}

function isCode(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code
}
