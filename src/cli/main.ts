#!/usr/bin/env node
import { requireNode } from './node-release.ts';
import { takeSignals } from './signals.ts';

takeSignals();
requireNode();
// Only now: an older Node cannot even import these.
const { run } = await import('./run.ts');
await run();
