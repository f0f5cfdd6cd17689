#!/usr/bin/env node
import { run } from './run.ts'
import { processTerminal } from './terminal.ts'

const exit = await run(process.argv.slice(2), processTerminal())
// The terminal sets it where the output could not be written.
process.exitCode ??= exit
