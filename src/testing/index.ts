/** For tests of users, and for whoever writes an engine. */
export {
  anEvent,
  append,
  type Conformance,
  conformance,
  eventsOf,
  expecting,
  type Held,
  identified,
  type Place,
  type ProcessConformance,
  processConformance,
  type Registrar,
  type SharedPlace,
} from '../store/conformance/index.ts'
export type * from '../store/events.ts'
export type * from '../store/groups.ts'
export {
  type AppendPlan,
  type AppendView,
  assertSize,
  type KnownEvent,
  planAppend,
  type StreamHead,
} from '../store/plan-append.ts'
export type * from '../store/port.ts'
export { type FakeClock, fakeClock } from './fake-clock.ts'
export { type ExpectedRejection, rejected } from './given/expected.ts'
export { given } from './given/given.ts'
export type { GivenAggregate, GivenEvents, GivenOptions, WhenExecuted } from './given/given-aggregate.ts'
export type { GivenHistory, GivenView } from './given/given-view.ts'
export type { FollowUp, History, Violation, ViolationKind } from './lab/history.ts'
export { type LabOptions, type LabResult, lab } from './lab/lab.ts'
export type { LabModule } from './lab/module.ts'
export { type Figures, figuresOf, summary } from './lab/report.ts'
export { SimulationFailed, type SimulationOptions, type SimulationReport, simulate } from './simulate.ts'
export type { Faults } from './simulation/faults.ts'
export type { Simulated } from './simulation/simulation.ts'
export type { TraceLine } from './simulation/world.ts'
