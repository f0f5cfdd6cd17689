/** For tests of users, and for whoever writes an engine. */
export { conformance } from '../store/conformance/index.ts'
export type { FollowUp, History, Violation, ViolationKind } from './lab/history.ts'
export { type LabOptions, type LabResult, lab } from './lab/lab.ts'
export type { LabModule } from './lab/module.ts'
export { type Figures, figuresOf, summary } from './lab/report.ts'
