/** For tests of users, and for whoever writes an engine. */
export { conformance } from '../store/conformance/index.ts'
