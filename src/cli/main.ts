#!/usr/bin/env node
import { requireNode } from './node-release.ts';

requireNode();
// Only now: an older Node cannot even import these.
const { run } = await import('./run.ts');
await run();
