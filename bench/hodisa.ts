/*
 * The built package, as its users get it. By path, because this folder has a package.json of its own, so that Node does not
 * find the package around it by name.
 */
export { postgres } from '../dist/engines/postgres/index.js'
export { sqlite } from '../dist/engines/sqlite/index.js'
export * from '../dist/index.js'
