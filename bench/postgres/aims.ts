import type { Engine } from '../engine.ts'

/** What Hodisa wants to reach on PostgreSQL. Rows are of the same run. */
export const AIMS: Engine['aims'] = {
  append: [
    { who: 'hodisa', to: 'raw', least: 0.45 },
    { who: 'hodisa', to: 'emmett', least: 6 },
    { who: 'hodisa', to: 'emmett 32', least: 6 },
    { who: 'hodisa single', to: 'raw single', least: 0.7 },
  ],
  deliver: [
    { who: 'hodisa', least: 50_000 },
    { who: 'hodisa', to: 'pg-boss', least: 10 },
    { who: 'hodisa async', least: 50_000 },
    { who: 'hodisa commit 100', to: 'raw commit', least: 0.6 },
  ],
  latency: [
    { who: 'hodisa', most: 10 },
    { who: 'hodisa', of: 'p99', most: 50 },
    { who: 'hodisa across', most: 10 },
    { who: 'hodisa across', of: 'p99', most: 50 },
  ],
  rebuild: [
    { who: 'hodisa', least: 200_000 },
    { who: 'hodisa', to: 'emmett', least: 1.8 },
    { who: 'hodisa load', least: 200_000 },
    { who: 'hodisa load', to: 'raw', least: 0.4 },
    { who: 'hodisa load', to: 'emmett', least: 1.8 },
    { who: 'hodisa project', to: 'raw project', least: 0.5 },
  ],
  execute: [
    { who: 'hodisa execute', to: 'hodisa publish', least: 0.77 },
    { who: 'hodisa execute single', to: 'hodisa publish single', least: 0.77 },
  ],
  snapshot: [{ who: 'hodisa 100,000', to: 'hodisa 1,000', most: 1.3 }],
  scale: [
    { who: 'append', most: 1.3 },
    { who: 'deliver', most: 1.3 },
    { who: 'takeover', most: 1.3 },
  ],
  idle: [{ who: 'hodisa', most: 5 }],
}
