import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { RedisSettings } from '../../../src/storage/redis/redis-settings.ts';

export interface RacersMessage {
  readonly round: number;
  readonly parallel: number;
}

interface Outcome {
  readonly won: number;
  /** Attempts that got no answer. */
  readonly refused: number;
}

export interface RacersReport {
  readonly round: number;
  readonly consume: Outcome;
  readonly putIfAbsent: Outcome;
}

export interface Racers {
  /** Rounds may overlap. Every process tries `parallel` times at once to consume `Code c<round>` and to put `Replay j<round>`. */
  race(round: number, parallel: number): Promise<RacersReport>;
  close(): Promise<void>;
}

const CHILD = fileURLToPath(new URL('./redis-child.ts', import.meta.url));

/** Processes of their own, each with its store. */
export async function startRacers(settings: RedisSettings, processes = 2): Promise<Racers> {
  const children = Array.from({ length: processes }, () =>
    fork(CHILD, [JSON.stringify(settings)], { execPath: process.execPath }),
  );
  for (const child of children) child.setMaxListeners(100);
  await Promise.all(children.map((child) => once(child, 'message')));
  return {
    async race(round, parallel) {
      const reports = await Promise.all(children.map((child) => ask(child, { round, parallel })));
      return {
        round,
        consume: sum(reports.map(({ consume }) => consume)),
        putIfAbsent: sum(reports.map(({ putIfAbsent }) => putIfAbsent)),
      };
    },
    async close() {
      await Promise.all(
        children.map(async (child) => {
          const ended = once(child, 'exit');
          child.disconnect();
          await ended;
        }),
      );
    },
  };
}

function ask(child: ChildProcess, message: RacersMessage): Promise<RacersReport> {
  return new Promise((resolve, reject) => {
    const ended = () => reject(new Error('a racer has ended'));
    const heard = (report: RacersReport) => {
      if (report.round !== message.round) return;
      child.off('message', heard);
      child.off('exit', ended);
      resolve(report);
    };
    child.on('message', heard);
    child.once('exit', ended);
    child.send(message);
  });
}

function sum(outcomes: readonly Outcome[]): Outcome {
  return {
    won: outcomes.reduce((total, { won }) => total + won, 0),
    refused: outcomes.reduce((total, { refused }) => total + refused, 0),
  };
}
