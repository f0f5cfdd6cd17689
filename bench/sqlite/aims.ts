import type { Engine } from '../engine.ts'

/** What Hodisa wants to reach on SQLite. Rows are of the same run. */
export const AIMS: Engine['aims'] = {
  rebuild: [
    { who: 'hodisa load', to: 'raw', least: 0.4 },
    { who: 'hodisa load', to: 'emmett', least: 2 },
    { who: 'hodisa project', to: 'raw project', least: 0.5 },
  ],
  execute: [
    { who: 'hodisa execute', to: 'hodisa publish', least: 0.77 },
    { who: 'hodisa execute single', to: 'hodisa publish single', least: 0.77 },
  ],
  snapshot: [{ who: 'hodisa 100,000', to: 'hodisa 1,000', most: 1.3 }],
}
