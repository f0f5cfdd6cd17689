#!/usr/bin/env node
process.stderr.write('hodisa: not ready yet\n')
